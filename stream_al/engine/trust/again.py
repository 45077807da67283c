"""Which samples to ask about again, in order.

    1. *Disputes*: as many labels say one class as another. One more label decides.
    2. Samples that have fewer labels than `labels.per_query` asks for.
    3. Any sample with that many labels, where `labels.second_share` buys further ones.

Among equals comes the lowest score of ActiveLab, which is the label most in doubt. That order finds the most
wrong labels for the same second labels: on `electricity` with a tenth of wrong labels 30 of 90, where samples
drawn at random first find 8 of 95, suspicious labels first (`engine.trust.thresholds`) 9, and a random
order 10. The lowest self-confidence finds the same, and does not know of several labels
(tests/benchmarks/README.md, "Second labels").

*Anew or again?* ActiveLab also compares these scores with those of new samples, and would choose between
them. Here it does not: the budget manager keeps the samples that the model doubts most, and their scores are
lower than those of nearly all labelled ones. Tried as a rule within the share, it bought 1 second label of 27
and found no wrong one, where the fixed share found 8 of 30 (tests/benchmarks/README.md, "Second labels").

What it costs: samples with second labels hold more errors than the rest, so the agreement of annotators is
lower there than it would be among all labels. It compares annotators with each other, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from stream_al.engine.randomness import uniform
from stream_al.engine.trust.activelab import consensus_quality, labelled_score
from stream_al.engine.trust.items import MARK, Item
from stream_al.engine.trust.trust import Trust
from stream_al.errors import BadMessage
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import Example, ModelStamp, Query, iso
from stream_al.times import moment

__all__ = ["SECOND", "Candidate", "Wanted", "candidates", "chosen", "owner", "second_query", "urgency"]

SECOND = "second"
"""The reason of a second query."""
STRATEGY = "activelab"
DISPUTE = 1
"""The rank of a dispute."""
MOST_OPEN = 5
"""The disputes that may wait for a further label at one time."""


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
    def words(self) -> str:
        """The settings that differ from one label a sample.

        >>> Wanted().words, Wanted(2, 0.5).words
        ('', 'per_query 2, second_share 0.5')
        """
        more = [f"per_query {self.per_query}"] if self.per_query > 1 else []
        return ", ".join([*more, f"second_share {self.second_share:g}"] if self.second_share else more)

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


def urgency(one: Candidate) -> tuple[Any, ...]:
    """Where a sample comes among those of its rank: the lowest first."""
    return (one.score,)


def candidates(
    trust: Trust, wanted: Wanted, order: Callable[[Candidate], tuple[Any, ...]] = urgency
) -> list[Candidate]:
    """The samples to ask about again, the most urgent first.

    Args:
        trust: What is known about the labels.
        wanted: How many are wanted.
        order: The order among samples of one rank; a benchmark compares it with others.
    """
    weights = trust.tally.weights()
    found = []
    for item in trust.items:
        rank = _rank(item, wanted)
        if rank is not None:
            quality = consensus_quality(item.opinions, weights)
            found.append(Candidate(item, rank, labelled_score(item.opinions, quality, weights)))
    found.sort(key=lambda one: (one.rank, *order(one), one.item.offset))
    return found


def owner(seed: int, sample_id: str, partitions: int) -> int:
    """The partition that asks about a labelled sample: one of them alone, whatever replica has it.

    >>> [owner(7, one, 2) for one in "ae"]
    [1, 0]
    """
    return int(uniform(seed, SECOND, sample_id) * partitions)


def chosen(
    ranked: Sequence[Candidate],
    most: int,
    taken: Callable[[str], bool],
    *,
    seed: int,
    partition: int = 0,
    partitions: int = 1,
) -> list[Candidate]:
    """The samples that a partition asks about again, the most urgent first.

    A sample belongs to one partition, by a hash of its id, so two replicas never ask about one at once.

    Of disputes only `MOST_OPEN` wait at one time. A team of two has nobody who could decide one, and would
    pay for each of them in vain.

    Args:
        ranked: What `candidates` returned.
        most: How many to choose at most.
        taken: Whether an id has named a query before.
        seed: The application's seed.
        partition: The partition.
        partitions: How many there are.
    """
    open_disputes = sum(one.rank == DISPUTE and taken(one.id) for one in ranked)
    found: list[Candidate] = []
    for one in ranked:
        if len(found) >= most:
            break
        own = owner(seed, one.item.id, partitions) == partition
        if not own or taken(one.id) or (one.rank == DISPUTE and open_disputes >= MOST_OPEN):
            continue
        found.append(one)
        open_disputes += one.rank == DISPUTE
    return found


def _rank(item: Item, wanted: Wanted) -> int | None:
    number = len(item.opinions.labels)
    if item.settled or not item.record or len(item.id) > MAX_ID_CHARACTERS - 3:
        return None
    if number <= max(2, wanted.per_query) and item.opinions.disputed:
        return DISPUTE
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
        sampled_at=_time(first.queried_at, now_ms),
        queried_at=iso(now_ms),
        expires_at=iso(now_ms + life_ms),
        pending=pending,
        version=item.version,
        sample_id=item.id,
        second_of=item.id,
        labelled_by=[given.annotator for given in item.opinions.labels if given.annotator is not None],
        bought=bought,
    )


def _time(text: str | None, now_ms: int) -> str:
    """When the first query was made; now if the example, which others may have written, does not say it."""
    with suppress(BadMessage):
        if text is not None:
            moment(text)
            return text
    return iso(now_ms)
