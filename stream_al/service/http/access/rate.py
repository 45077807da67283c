"""Rate limit: a token bucket for each client, so that one client cannot use up the capacity of all.

A bucket holds what one second allows and is filled at the rate `per_second`. Each request takes out what it
costs: one, or the number of its records. So a client may spend `per_second` at once after a pause, and
`per_second` in each second: in any interval at most `per_second * (seconds + 1) + 1`. (J. Turner, "New
directions in communications", IEEE Communications Magazine 24(10), 1986, the leaky bucket as a meter.) A
request that costs more than a full bucket waits until it is full, and leaves a debt that has to be filled
first, so it does not raise the rate either.

The number of remembered clients is limited. The client whose last request is oldest is forgotten first, and
has a full bucket when it comes back. So forgetting refuses no request, and an attacker who invents clients
cannot fill the memory.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["RateLimit"]


class RateLimit:
    """The buckets of all clients.

    Args:
        per_second: What one client may spend per second, on average.
        clients: The number of clients that are remembered.

    >>> limit = RateLimit(per_second=2)
    >>> [limit.wait("ann", now=0.0) for _ in range(3)], limit.wait("bob", now=0.0)
    ([0.0, 0.0, 0.5], 0.0)
    """

    def __init__(self, per_second: float, clients: int = 10_000) -> None:
        self.per_second = per_second
        self.clients = clients
        self._full = max(1.0, per_second)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # the level, and its time

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, client: str, now: float, cost: float = 1.0) -> float:
        """Take one request out of the bucket of a client.

        Args:
            client: The client's name.
            now: The time in seconds, by a clock that never goes back.
            cost: What the request costs.

        Returns:
            0 if the request is allowed. If not, nothing was taken, and it is the seconds to wait.
        """
        level, at = self._buckets.pop(client, (self._full, now))
        level = min(self._full, level + (now - at) * self.per_second)
        needed = min(cost, self._full)
        allowed = level >= needed
        self._buckets[client] = (
            level - cost if allowed else level,
            now,
        )  # at the end: the most recent client
        if len(self._buckets) > self.clients:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (needed - level) / self.per_second
