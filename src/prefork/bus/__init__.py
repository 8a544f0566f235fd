"""Publish and subscribe between workers, by a hub of our own or by a broker."""
