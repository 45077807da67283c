"""The simulation: the engine of the service over a recorded stream, without a broker."""
