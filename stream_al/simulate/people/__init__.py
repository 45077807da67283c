"""Several annotators in a simulation, and what their labels say of each other."""
