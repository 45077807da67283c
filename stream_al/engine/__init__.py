"""Every rule about samples, labels, budgets and models: pure, synchronous, deterministic.

The engine reads no clock, socket or file, writes no log, counts no metric, and draws from no global
generator; a test walks its imports. It returns what it decides, and the caller applies that once it is
durable.
"""
