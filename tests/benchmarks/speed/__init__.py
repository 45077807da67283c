"""What deciding costs: a real broker, the real process, and its CPU time seen from outside."""
