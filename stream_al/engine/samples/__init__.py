"""Samples: what a record of the stream means, and many of them side by side."""
