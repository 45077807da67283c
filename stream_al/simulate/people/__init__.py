"""Simulated annotators, alone (`annotator`) or several (`crew`), and what their labels say of each other."""
