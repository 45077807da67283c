"""Second queries: another annotator is asked about a sample that has a label.

`engine.budgets.second_labels` says how many a partition buys, `engine.trust.again` which samples come first.
Here both meet what is pending:

- A sample whose next query is pending, or was closed without a label a while ago, is not asked about.
- What people want to have relabelled waits here, until the budget of a partition pays for it
  (`engine.trust.by_hand`). `service.desk.requests` keeps it over a restart.
- A second query carries its number in the account of its partition. If a crash came between sending and the
  commit, the batch is decided again, and the queries up to the number that was read from the topic count as
  sent. So a crash buys nothing twice, although other samples may come first by then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from stream_al.engine.trust.again import Candidate, candidates, chosen
from stream_al.engine.trust.by_hand import by_hand, may_buy
from stream_al.messages import Query, encode
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.engine_settings import wanted
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.model.local_model import LocalModel
from stream_al.settings import Settings

__all__ = ["MOST_BY_HAND", "Relabelling", "SecondQueries"]

MOST_BY_HAND = 500  # that wait at once


class Relabelling(NamedTuple):
    """That a person wants to have a sample relabelled.

    Attributes:
        at_ms: The log time of the request, in milliseconds.
        query: The id of the query that is wanted. If it is over when its turn comes, so is the request.
    """

    at_ms: int
    query: str


class SecondQueries:
    """Chooses the samples to ask about again.

    Args:
        settings: The settings.
        local_model: Knows the labels, and the trust in them.
        pending: Knows the second queries that were sent.

    Attributes:
        by_hand: What people want to have relabelled, by the id of the sample, the first one asked for first.
        dropped: Why some of them cannot be asked about any more, by id.
    """

    def __init__(self, settings: Settings, local_model: LocalModel, pending: PendingQueries) -> None:
        self.local_model = local_model
        self.pending = pending
        self.topic = settings.topics.queries
        self._seed = settings.seed
        self._wanted = wanted(settings)
        self.by_hand: dict[str, Relabelling] = {}
        self.dropped: dict[str, str] = {}
        self._ranked: tuple[object, int, list[Candidate]] = (None, -1, [])

    def free(
        self, partition: int, partitions: int, version: Callable[[str], str | None], most: int
    ) -> list[Candidate]:
        """The samples of a partition that can be asked about now, the most urgent first.

        Args:
            partition: The partition.
            partitions: How many there are.
            version: Returns the version of the sample that an id names; None if it names none.
            most: How many are needed.
        """
        if most <= 0:
            return []
        return chosen(
            self._all(),
            most,
            lambda query_id: version(query_id) is not None,
            seed=self._seed,
            partition=partition,
            partitions=partitions,
        )

    def ask(self, sample_id: str, version: Callable[[str], str | None]) -> str | None:
        """Let a sample wait for another label; say why it cannot.

        Args:
            sample_id: The id of its first query.
            version: As of `free`.
        """
        found = by_hand(self.local_model.learner.trust, sample_id)
        if isinstance(found, str):
            return found
        if version(found.id) is not None:
            return "another annotator was asked about it already"
        if sample_id in self.by_hand:
            return "it waits for the budget already"
        if len(self.by_hand) >= MOST_BY_HAND:
            return f"{MOST_BY_HAND} samples wait already: ask again when the budget has paid for some"
        self.by_hand[sample_id] = Relabelling(self.pending.time.now_ms, found.id)
        return None

    def next_by_hand(
        self,
        partition: int,
        partitions: int,
        most: int,
        version: Callable[[str], str | None],
        done: Collection[str],
    ) -> tuple[list[Candidate], list[str]]:
        """The next samples that people want to have relabelled, and those that need not wait any longer.

        Args:
            partition: The partition that asks.
            partitions: How many there are.
            most: How many are needed.
            version: As of `free`.
            done: Those that were asked about in this batch.
        """
        found: list[Candidate] = []
        over: list[str] = []
        now_ms = self.pending.time.now_ms
        for sample_id, one in self.by_hand.items():
            if len(found) == most:
                break
            waited_ms = now_ms - one.at_ms
            if sample_id in done or not may_buy(
                self._seed, sample_id, partition, partitions, waited_ms=waited_ms
            ):
                continue
            candidate = by_hand(self.local_model.learner.trust, sample_id)
            if isinstance(candidate, str):
                self.dropped[sample_id] = candidate
                over.append(sample_id)
            elif candidate.id != one.query or version(candidate.id) is not None:
                over.append(sample_id)
            else:
                found.append(candidate)
        return found, over

    def forget(self, sample_ids: Iterable[str]) -> None:
        """Let these wait no longer."""
        for sample_id in sample_ids:
            self.by_hand.pop(sample_id, None)

    def sent(self, partition: int, bought: int) -> int:
        """How many second queries after the first `bought` ones of a partition are in the topic already."""
        return max(0, self.pending.second_queries.get(partition, 0) - bought)

    def outgoing(self, query: Query) -> Outgoing:
        """The query as it is sent. If it is too large for the topic, nobody is asked."""
        key = query.id.encode()
        return Outgoing(self.topic, key, encode(query), replacement=lambda: Outgoing(self.topic, key, None))

    def _all(self) -> list[Candidate]:
        learner = self.local_model.learner
        of, offset, ranked = self._ranked
        if of is not learner or offset != learner.offset:
            ranked = candidates(learner.trust, self._wanted)
            self._ranked = learner, learner.offset, ranked
        return ranked
