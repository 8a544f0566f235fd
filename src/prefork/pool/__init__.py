"""A pool of processes for CPU-bound work: tasks of all workers, off their event loops."""
