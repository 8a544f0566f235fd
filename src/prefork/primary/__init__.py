"""The primary: binds, forks, distributes, supervises; one thread, no application code."""
