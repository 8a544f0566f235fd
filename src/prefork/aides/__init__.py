"""Processes beside the fleet: who watches files, who tags output, who runs a hook."""
