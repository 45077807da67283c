"""The model: a River classifier as a deterministic fold, and all that may be asked of it."""
