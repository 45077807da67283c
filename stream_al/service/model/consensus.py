"""Consensus: where more annotators contradict the first label of a sample than support it, it is corrected.

`engine.labels.consensus` says which ones, and makes the record. The replica that reads the first partition of
the labels appends it, so that it is written once. If two replicas do so while the partition moves, the second
record changes nothing.
"""

from __future__ import annotations

import structlog

from stream_al.engine.labels.consensus import correction_of
from stream_al.messages import ClassLabel, Example, encode
from stream_al.service.broker.protocols import Broker, Group, Outgoing
from stream_al.service.model.local_model import LocalModel
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices
from stream_al.settings import Settings

__all__ = ["Consensus"]

log = structlog.get_logger(__name__)

PARTITION = 0  # of the labels; every topic has it


class Consensus:
    """Corrects labels by consensus.

    Args:
        local_model: Knows what the annotators say.
        labels: The group that reads the labels.
        broker: Takes the corrections.
        settings: The settings.
        clock: Measures how long the event loop is held.
    """

    def __init__(
        self, local_model: LocalModel, labels: Group, broker: Broker, settings: Settings, clock: Clock
    ) -> None:
        self.local_model = local_model
        self.labels = labels
        self.broker = broker
        self.enabled = settings.labels.correct_by_consensus
        self.topic = settings.topics.examples
        self.clock = clock
        self._seen = 0
        self._written: dict[str, ClassLabel] = {}
        """The corrections that were written and were not learned yet: the label, by the id of the sample."""

    async def step(self) -> None:
        """Write the corrections that are due, if there are second labels that were not looked at yet.

        Raises:
            Unavailable: The broker did not take them; the next step tries again.
        """
        learner = self.local_model.learner
        second_labels = learner.trust.second_labels
        if not self.enabled or second_labels == self._seen or PARTITION not in set(self.labels.assignment()):
            return
        made: list[Example] = []
        due: dict[str, ClassLabel] = {}
        weights, items = learner.trust.tally.weights(), list(learner.trust.items.several.values())
        async for item in TimeSlices(self.clock).one_by_one(items):
            one = correction_of(item, weights, learner.ledger)
            if one is None:
                continue
            due[item.id] = one.label
            if self._written.get(item.id) != one.label:
                made.append(one)
        if made:
            await self.broker.send([Outgoing(self.topic, one.id.encode(), encode(one)) for one in made])
            log.info("labels corrected by consensus", number=len(made))
        self._written = due
        self._seen = second_labels
