"""What Node's cluster gets wrong: the same script in Node and in Python, side by side."""
