"""The broker as the loops see it, and the topics on it."""
