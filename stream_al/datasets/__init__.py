"""Datasets: labelled rows of files. The simulation and the import of labels read them."""
