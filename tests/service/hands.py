"""A clock whose monotonic time a test sets."""

from __future__ import annotations

from stream_al.service.timing.clock import Clock

__all__ = ["Hands"]


class Hands(Clock):
    """A clock whose monotonic time stands still until it is set."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds
