"""What the service costs: a real broker, the real process, and its CPU time measured from outside."""
