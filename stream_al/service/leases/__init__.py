"""Leases of queries: which are free, in which order, and how they are held over all replicas."""
