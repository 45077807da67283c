"""Streaming selective sampling: ask for the labels that are worth paying for, learn from the answers."""

__version__ = "0.1.0"
