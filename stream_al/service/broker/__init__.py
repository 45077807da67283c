"""The broker as the loops see it, the topics on it, and dead letters."""
