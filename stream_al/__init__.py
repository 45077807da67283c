"""Streaming selective sampling: it asks for the labels that are worth paying for, and learns from them."""

__version__ = "0.1.0"
