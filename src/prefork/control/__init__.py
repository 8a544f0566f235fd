"""The control socket: how commands find an instance, and what they say to each other."""
