"""Which samples to ask about again, in order.

    1. *Disputes*: as many labels say one class as another. One more label decides.
    2. Samples that have fewer labels than `labels.per_query` asks for.
    3. Any sample with that many labels, where `labels.second_share` buys further ones.

Among equals come samples that were drawn at random, since their labels alone tell the truth about the whole
stream; then the lowest score of ActiveLab, which is the label most in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from stream_al.engine.trust.activelab import consensus_quality, labelled_score
from stream_al.engine.trust.items import Item
from stream_al.engine.trust.trust import Trust
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import Example, ModelStamp, Query, iso

__all__ = ["SECOND", "Candidate", "Wanted", "candidates", "second_query"]

SECOND = "second"
"""The reason of a second query."""
STRATEGY = "activelab"
MARK = "~"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many labels are wanted of a sample.

    Args:
        per_query: Labels of every sample that is asked about.
        second_share: The share of these of which one more label is wanted.
    """

    per_query: int = 1
    second_share: float = 0.0

    @property
    def extra(self) -> float:
        """Second labels bought for every first one.

        >>> Wanted(2, 0.5).extra
        1.5
        """
        return self.per_query - 1 + self.second_share


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sample to ask about again.

    Attributes:
        item: The sample.
        rank: As above, from 1 to 3.
        score: ActiveLab's.
    """

    item: Item
    rank: int
    score: float

    @property
    def id(self) -> str:
        """The id of the query: `ID~2` for the second one of a sample, `ID~3` for the third one."""
        return f"{self.item.id}{MARK}{len(self.item.opinions.labels) + 1}"


def candidates(trust: Trust, wanted: Wanted) -> list[Candidate]:
    """The samples to ask about again, the most urgent first."""
    weights = trust.tally.weights()
    found = []
    for item in trust.items:
        rank = _rank(item, wanted)
        if rank is not None:
            quality = consensus_quality(item.opinions, weights)
            found.append(Candidate(item, rank, labelled_score(item.opinions, quality, weights)))
    found.sort(key=lambda one: (one.rank, not one.item.explored, one.score, one.item.offset))
    return found


def _rank(item: Item, wanted: Wanted) -> int | None:
    number = len(item.opinions.labels)
    if item.settled or not item.record or len(item.id) > MAX_ID_CHARACTERS - 3:
        return None
    if number <= max(2, wanted.per_query) and item.opinions.disputed:
        return 1
    if number < wanted.per_query:
        return 2
    return 3 if number == wanted.per_query and wanted.second_share else None


def second_query(
    candidate: Candidate,
    *,
    model: ModelStamp,
    now_ms: int,
    life_ms: int,
    pending: int,
    bought: tuple[int, int] | None,
) -> Query:
    """The query that asks about a sample again. It holds no earlier label.

    Args:
        candidate: The sample.
        model: The model in force, for a first query that does not say which it was.
        now_ms: Wall time, in milliseconds.
        life_ms: How long it waits for its label.
        pending: The number of queries that were pending before.
        bought: As of `Query`; None if a person has asked for it.
    """
    item = candidate.item
    first = msgspec.json.decode(item.record, type=Example)
    assert first.features is not None  # noqa: S101 - a first example has features, prediction and propensity
    assert first.prediction is not None  # noqa: S101 - likewise
    assert first.propensity is not None  # noqa: S101 - likewise
    return Query(
        id=candidate.id,
        features=first.features,
        payload=first.payload,
        prediction=first.prediction,
        utility=min(1.0, max(0.0, 1.0 - candidate.score)),
        threshold=0.0,
        propensity=first.propensity,
        reason=SECOND,
        strategy=STRATEGY,
        model=first.model or model,
        sampled_at=first.queried_at or iso(now_ms),
        queried_at=iso(now_ms),
        expires_at=iso(now_ms + life_ms),
        pending=pending,
        version=item.version,
        sample_id=item.id,
        second_of=item.id,
        labelled_by=[given.annotator for given in item.opinions.labels if given.annotator is not None],
        bought=bought,
    )
