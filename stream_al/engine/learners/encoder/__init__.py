"""The encoder: samples of any kind as rows of numbers and tokens, learned from the examples."""
