"""Strategies that compare the model with one that has learned the sample as well (`lookahead`)."""
