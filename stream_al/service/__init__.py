"""The service: three thin loops around the engine, and what keeps them running."""
