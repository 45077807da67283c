"""The model: a River classifier as a deterministic fold, and its predictions."""
