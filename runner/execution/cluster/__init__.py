"""Jobs on many machines: what crosses the broker, and both ends of it."""
