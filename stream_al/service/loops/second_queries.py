"""Second queries: another annotator is asked about a sample that has a label.

`engine.budgets.second_labels` says how many a partition buys, `engine.trust.again` which samples come first.
Here both meet what is pending:

- A sample whose next query is pending, or was closed without a label a while ago, is not asked about.
- A second query carries its number in the account of its partition. If a crash came between sending and the
  commit, the batch is decided again, and the queries up to the number that was read from the topic count as
  sent. So a crash buys nothing twice, although other samples may come first by then.
"""

from __future__ import annotations

from collections.abc import Callable

from stream_al.engine.trust.again import Candidate, candidates, chosen
from stream_al.messages import Query, encode
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.engine_settings import wanted
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.model.local_model import LocalModel
from stream_al.settings import Settings

__all__ = ["SecondQueries"]


class SecondQueries:
    """Chooses the samples to ask about again.

    Args:
        settings: The settings.
        local_model: Knows the labels, and the trust in them.
        pending: Knows the second queries that were sent.
    """

    def __init__(self, settings: Settings, local_model: LocalModel, pending: PendingQueries) -> None:
        self.local_model = local_model
        self.pending = pending
        self.topic = settings.topics.queries
        self._seed = settings.seed
        self._wanted = wanted(settings)
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
