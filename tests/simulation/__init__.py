"""Deterministic simulation of the whole service: `python -m tests.simulation --help`."""
