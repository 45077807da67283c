"""Samples: what a record holds, and many samples as one table."""
