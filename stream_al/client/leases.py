"""Leases in hand: which query comes next, which leases must be renewed, and which are to be given back.

A lease ends by itself, so that a program that dies holds nobody up. As long as the program lives, its leases
are renewed when half of `labels.lease_seconds` is over, counted by a clock of one's own from before the
request. So no two clocks have to agree.

    leased ──> ready ──> shown ──> done (labelled or skipped: the service ends the lease)
                           └─────> passed (neither): kept until the end, then given back

A query that is passed stays leased. If it were given back at once, it would be the most useful free query
again, and come back forever. A query that is done may stand in the next response still, because the service
reads labels a little later. It is not shown again, and other free queries wait for that, but not for longer
than `IN_FLIGHT_SECONDS`: the label may have been refused, or is not read for hours. Then they come beside it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from math import inf
from threading import Lock
from typing import TypeAlias

from stream_al.client.errors import ClientError, LeaseOver, Refused
from stream_al.client.exchange import Pause, Plan
from stream_al.client.operations import Operations
from stream_al.client.responses import LeasedQuery, LeasePage

__all__ = ["MOST_AT_ONCE", "SHORT_SECONDS", "Feed", "Waiting", "ignore"]

MOST_AT_ONCE = 50  # leases that the service gives in one response
MOST_DONE = 10_000  # queries that are remembered as done
DEFAULT_SECONDS = 300.0  # the length of a lease, if the service does not say it
SHORTEST_RENEWAL_SECONDS = 0.2
SHORT_SECONDS = 5.0  # for renewing a lease, and for giving back what is held
LOOK_SECONDS = 0.5  # between two looks at a queue that is empty
SOON_SECONDS = 0.1  # between two looks while a label is on its way
IN_FLIGHT_SECONDS = 5.0  # for which a label counts as on its way

Waiting: TypeAlias = Callable[[LeasePage], None]
"""Called at each look at a queue that holds no free query."""


def ignore(page: LeasePage) -> None:
    """Do nothing while there is no query."""


class Feed:
    """Leases queries ahead, and knows which of them are still held.

    It may be used by two threads: one that labels, and one that renews.

    Args:
        operations: Makes the plans.
        count: The most queries to lease ahead.
    """

    def __init__(self, operations: Operations, count: int) -> None:
        self._operations = operations
        self._count = count
        self._ready: deque[LeasedQuery] = deque()
        self._renew_at: dict[str, float] = {}  # by lease; what is held
        self._seconds = DEFAULT_SECONDS
        self._length_known = False
        self._resumes = operations.resumes
        self._of_query: dict[str, str] = {}  # query to lease
        self._done: OrderedDict[str, float] = OrderedDict()  # when a query was done, by its id
        self._lock = Lock()

    @property
    def held(self) -> list[str]:
        """The leases held now."""
        with self._lock:
            return list(self._renew_at)

    def next(self, wait: float, waiting: Waiting = ignore) -> Plan[LeasedQuery | None]:
        """The next query; None if there is none for so many seconds. `waiting` is called meanwhile."""
        clock = self._operations.pace.clock
        deadline, unread = clock() + wait, 0
        while True:
            if (found := self._take()) is not None:
                return found
            passed = len(self.held) + unread
            if passed >= MOST_AT_ONCE:
                return None
            yield from self._learn_length()
            asked_at = clock()
            page = yield from self._operations.lease(min(passed + self._count, MOST_AT_ONCE))
            if self._accept(page, asked_at):
                continue
            done = self._done_seconds(page)
            before, unread = unread, sum(since >= IN_FLIGHT_SECONDS for since in done)
            if page.free > 0 and unread > before:
                continue
            in_flight = page.free > 0 and len(done) > unread
            if not in_flight and clock() >= deadline:
                return None
            if not in_flight:
                waiting(page)
            yield Pause(SOON_SECONDS if in_flight else max(0.0, min(LOOK_SECONDS, deadline - clock())))

    def done(self, query_id: str) -> None:
        """Note that a query got its label or was skipped."""
        with self._lock:
            self._renew_at.pop(self._of_query.pop(query_id, ""), None)
            self._ready = deque(one for one in self._ready if one.id != query_id)
            self._done[query_id] = self._operations.pace.clock()
            while len(self._done) > MOST_DONE:
                self._done.popitem(last=False)

    def lost(self, lease: str) -> None:
        """Note that a lease is over. A query that was not shown yet is not shown."""
        with self._lock:
            self._renew_at.pop(lease, None)
            self._ready = deque(one for one in self._ready if one.lease != lease)

    def keep(self) -> Plan[list[str]]:
        """Renew the leases whose time has come; what went wrong, in sentences."""
        operations, wrong = self._operations.within(SHORT_SECONDS), []
        for lease in self._due():
            try:
                yield from operations.renew(lease)
            except LeaseOver:
                self.lost(lease)
            except ClientError as error:
                wrong.append(f"a lease is not renewed, and tried again: {error}")
            else:
                self._renewed(lease)
        return wrong

    def give_back(self) -> Plan[list[str]]:
        """Give back all that is held; what went wrong, in sentences."""
        clock, wrong = self._operations.pace.clock, []
        operations, deadline = self._operations.within(SHORT_SECONDS), clock() + SHORT_SECONDS
        for lease in self.held:
            self.lost(lease)
            if clock() >= deadline:
                continue
            try:
                yield from operations.release(lease)
            except ClientError as error:
                wrong.append(f"a query is not given back, and its lease will end by itself: {error}")
        return wrong

    def rest_seconds(self) -> float:
        """Seconds until the next renewal."""
        now = self._operations.pace.clock()
        with self._lock:
            first = min(self._renew_at.values(), default=now + self._seconds / 2)
        return max(SHORTEST_RENEWAL_SECONDS, min(first - now, 1.0))

    def _learn_length(self) -> Plan[None]:
        """Ask once how long a lease lives."""
        if self._length_known:
            return
        try:
            found = (yield from self._operations.get("/v1/desk")).get("lease_seconds")
        except Refused:  # the service has no such route
            found = None
        if isinstance(found, int | float) and 0 < found < inf:
            self._seconds = float(found)
        self._length_known = True

    def _due(self) -> list[str]:
        now = self._operations.pace.clock()
        with self._lock:
            return [lease for lease, at in self._renew_at.items() if at <= now]

    def _renewed(self, lease: str) -> None:
        with self._lock:
            if lease in self._renew_at:
                self._renew_at[lease] = self._operations.pace.clock() + self._seconds / 2

    def _take(self) -> LeasedQuery | None:
        with self._lock:
            return self._ready.popleft() if self._ready else None

    def _done_seconds(self, page: LeasePage) -> list[float]:
        """Of the queries in a page that are done already: for how long."""
        now = self._operations.pace.clock()
        with self._lock:
            return [now - self._done[one.id] for one in page.leases if one.id in self._done]

    def _accept(self, page: LeasePage, asked_at: float) -> bool:
        """Take what is new in a page; whether there is anything."""
        with self._lock:
            new = [one for one in page.leases if one.lease not in self._renew_at and one.id not in self._done]
            for one in new:
                # Leases of an earlier client may be near their end.
                self._renew_at[one.lease] = asked_at + (0.0 if self._resumes else self._seconds / 2)
                self._of_query[one.id] = one.lease
            self._ready.extend(new)
            self._resumes = False
        return bool(new)
