"""One worker process: an event loop that serves the application."""
