"""Strategies that compare a sample with the last samples and queries of its partition (`history`)."""
