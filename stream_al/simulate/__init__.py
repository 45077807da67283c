"""Recorded streams: the same engine, without a broker."""
