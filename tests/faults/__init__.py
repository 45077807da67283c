"""Each promise of the service, tested by causing the fault on purpose: `python -m tests.faults`."""
