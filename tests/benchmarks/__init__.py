"""Benchmarks: how much accuracy the selection gains for its labels, and what the service costs."""
