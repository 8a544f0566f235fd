"""A pre-fork HTTP server supervisor: one primary, N workers, nothing lost."""

__version__ = "0.1.0"
