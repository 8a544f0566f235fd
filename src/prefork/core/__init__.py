"""Decides what a fleet of processes does next: facts in, orders out; no clock, no system call."""
