"""Relabelling by hand: a person wants another annotator to look at a labelled sample.

The query is the next one of its sample, as `engine.trust.again` makes it: blind, and for none of those who
have labelled the sample. It is paid for like the label of a sample that a person asks for
(`engine.budgets.manual`): the next purchase of the budget manager is its own. So it costs no label more, and
needs no `labels.second_share`. The partition that the sample belongs to buys it (`engine.trust.again`). But a
partition without samples buys nothing. So after `GRACE_MS` the next partition may buy it too, and each
further one `STAGGER_MS` later. If several began at one moment, each would pay before it had read of the query
of another one.

Only what the service has bought can be asked about again: a label that nobody was asked for has no prediction
made before it, by which it could be weighed.
"""

from __future__ import annotations

from stream_al.engine.trust.again import Candidate, owner
from stream_al.engine.trust.items import MOST_LABELS
from stream_al.engine.trust.last import Labelled
from stream_al.engine.trust.trust import Trust
from stream_al.identity import MAX_ID_CHARACTERS

__all__ = ["GRACE_MS", "STAGGER_MS", "by_hand", "may_buy"]

FIRST = 0  # before the ranks of `engine.trust.again`
GRACE_MS = 60_000
STAGGER_MS = 1000


def may_buy(seed: int, sample_id: str, partition: int, partitions: int, *, waited_ms: int) -> bool:
    """Whether a partition may buy a query that a person asked for this long ago.

    >>> [may_buy(7, "a", partition, 3, waited_ms=0) for partition in range(3)]
    [False, False, True]
    >>> [may_buy(7, "a", partition, 3, waited_ms=60_001) for partition in range(3)]
    [True, False, True]
    >>> may_buy(7, "a", 1, 3, waited_ms=61_001)
    True
    """
    after = (partition - owner(seed, sample_id, partitions)) % partitions
    return after == 0 or waited_ms > GRACE_MS + STAGGER_MS * (after - 1)


def by_hand(trust: Trust, sample_id: str) -> Candidate | str:
    """The sample as one to ask about again, or why nobody can be asked, as a sentence.

    Args:
        trust: What is known about the labels.
        sample_id: The id of its first query.
    """
    item = trust.item(sample_id)
    if item is None:
        return _missing(trust.last.samples.get(sample_id))
    faults = {
        "somebody has decided on its label already": item.settled,
        "its features are not kept any more": not item.record,
        f"it has {MOST_LABELS} labels already, and no more count": len(item.opinions.labels) >= MOST_LABELS,
        "its id leaves no room for the number of the query": len(item.id) > MAX_ID_CHARACTERS - 3,
    }
    return next((why for why, holds in faults.items() if holds), Candidate(item, FIRST, 0.0))


def _missing(kept: Labelled | None) -> str:
    if kept is None:
        return "it is not among the last labelled samples any more"
    if not kept.record:
        return "it is too large to be kept, so its label can only be corrected"
    return "the service did not choose it, so its label can only be corrected"
