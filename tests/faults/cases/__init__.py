"""The faults by kind. Each module exports its own as `FAULTS`."""
