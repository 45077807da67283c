"""Asked: the samples whose labels people have asked for, until the budget pays for them.

They wait in the order in which they were asked for. When they are queried is the rule of
`engine.budgets.manual`. Nothing is paid before their query is published. `service.desk.requests` keeps them
over a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from stream_al.engine.budgets import Decision, Reason
from stream_al.engine.samples.table import Sample
from stream_al.engine.strategies import ScoredSample
from stream_al.identity import own_id
from stream_al.service.broker.protocols import Record

__all__ = ["MOST", "Asked", "Wanted", "has_query"]

MOST = 500  # that wait at once
MOST_BYTES = 2**24


class Wanted(Struct, frozen=True):
    """A sample whose label a person has asked for.

    Attributes:
        number: Its number among the samples of this process.
        record: Its record.
        sample: The sample.
        version: Its version.
        arrival: What the model said of it when it was decided about.
        decision: That it is asked for.
    """

    number: int
    record: Record
    sample: Sample
    version: str
    arrival: ScoredSample
    decision: Decision

    @classmethod
    def of(
        cls, number: int, record: Record, sample: Sample, version: str, arrival: ScoredSample, was: Decision
    ) -> Wanted:
        """A sample about which it was decided otherwise before."""
        decision = replace(was, selected=True, propensity=0.0, reason=Reason.MANUAL)
        return cls(number, record, sample, version, arrival, decision)


class Asked:
    """The samples that wait for a place in the budget, the first one asked for first."""

    def __init__(self) -> None:
        self._waiting: dict[int, Wanted] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, number: object) -> bool:
        return number in self._waiting

    def is_empty(self) -> bool:
        """Whether none waits."""
        return not self._waiting

    def add(self, wanted: Wanted) -> bool:
        """Let one wait; say whether there was room."""
        size = len(wanted.record.value or b"")
        if len(self._waiting) >= MOST or self._bytes + size > MOST_BYTES:
            return False
        self._waiting[wanted.number] = wanted
        self._bytes += size
        return True

    def without(self, done: Collection[int]) -> Iterator[Wanted]:
        """Those that wait, in their order, without some."""
        return (one for number, one in self._waiting.items() if number not in done)

    def forget(self, done: Sequence[int]) -> None:
        """Let these wait no longer."""
        for number in done:
            one = self._waiting.pop(number, None)
            self._bytes -= len(one.record.value or b"") if one else 0


def has_query(sample_id: str, version: str, versions: Callable[[str], str | None]) -> bool:
    """Whether a sample has a query or a label already.

    Args:
        sample_id: The id of the sample.
        version: Its version.
        versions: Returns the version that an id names; None if it names none.
    """
    return versions(own_id(sample_id, version, versions)) == version
