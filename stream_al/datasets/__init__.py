"""Datasets: labelled rows of files, as the simulation and the import of labels read them."""
