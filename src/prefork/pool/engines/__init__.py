"""What runs tasks: processes of this instance, threads of this worker, a Dask cluster."""
