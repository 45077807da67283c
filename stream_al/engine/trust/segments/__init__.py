"""Segments: parts of the stream in which the model errs more than in the rest."""
