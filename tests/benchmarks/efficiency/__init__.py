"""Label efficiency: which policy makes the most of its labels, compared on streams with late labels."""
