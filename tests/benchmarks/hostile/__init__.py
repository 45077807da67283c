"""Attacks on a running service, and what each costs it: memory, and time on the event loop."""
