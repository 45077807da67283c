"""The guarantees, each proven by breaking the thing on purpose: `python -m tests.faults`."""
