"""What becomes of requests when something goes wrong: prefork beside its peers."""
