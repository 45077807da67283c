"""Rate: a token bucket for each client, so that one of them cannot use up what is there for all.

A bucket holds the requests of one second and fills by `per_second`; each request takes one out. So a client
may send `per_second` requests at once after a pause, and `per_second` each second for ever: never more than
`per_second * (seconds + 1) + 1` in any stretch of time. (J. Turner, "New directions in communications",
IEEE Communications Magazine 24(10), 1986, the leaky bucket as a meter.)

Only so many clients are remembered. The one that was away longest is forgotten first, which gives it a
full bucket: forgetting never harms anybody, and an attacker who makes up clients gains no memory of ours.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["RateLimit"]


class RateLimit:
    """The buckets of all clients.

    Args:
        per_second: Requests of one client each second, on average.
        clients: How many clients are remembered.

    >>> limit = RateLimit(per_second=2)
    >>> [limit.wait("ann", now=0.0) for _ in range(3)], limit.wait("bob", now=0.0)
    ([0.0, 0.0, 0.5], 0.0)
    """

    def __init__(self, per_second: float, clients: int = 10_000) -> None:
        self.per_second = per_second
        self.clients = clients
        self._full = max(1.0, per_second)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is in it, and when

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, client: str, now: float) -> float:
        """Take one request out of a client's bucket.

        Args:
            client: Who.
            now: The time in seconds, by a clock that never goes back.

        Returns:
            0 if the request is allowed, else the seconds until one would be; nothing was taken then.
        """
        level, at = self._buckets.pop(client, (self._full, now))
        level = min(self._full, level + (now - at) * self.per_second)
        allowed = level >= 1.0
        self._buckets[client] = (level - 1.0 if allowed else level, now)  # as the last: it was here last
        if len(self._buckets) > self.clients:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - level) / self.per_second
