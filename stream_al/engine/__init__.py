"""Every rule about samples, labels, budgets and models: pure, synchronous, deterministic.

Nothing here reads a clock, a socket or a file, logs, counts, or draws from a global generator; a test walks
the imports. What is decided is returned, and applied by the caller once it is durable.
"""
