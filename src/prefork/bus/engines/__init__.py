"""What carries the bus: the hub of this instance, Redis, or NATS."""
