"""The command line: what is typed becomes settings and requests, what comes back is printed."""
