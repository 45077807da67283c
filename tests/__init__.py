"""The laws of stream_al."""
