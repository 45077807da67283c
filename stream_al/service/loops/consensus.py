"""Consensus: where more annotators contradict the first label of a sample than support it, it is corrected.

`engine.trust` proposes such corrections, and `engine.labels.corrections` says what one does: every replica
that reads it follows. The replica that holds the first partition of the labels writes it. Two that write the
same one do no harm. A proposal that only the model supports is shown at `GET /v1/quality` and not written.
"""

from __future__ import annotations

from itertools import islice

import structlog

from stream_al.engine.labels.corrections import CONSENSUS, Author, NotCorrected, correction
from stream_al.engine.trust.trust import Proposal
from stream_al.errors import Misconfigured
from stream_al.messages import encode
from stream_al.service.broker.protocols import Broker, Group, Outgoing
from stream_al.service.model.local_model import LocalModel
from stream_al.settings import Settings

__all__ = ["Consensus"]

log = structlog.get_logger(__name__)

MOST = 100  # corrections of one step


class Consensus:
    """Corrects labels by the consensus of annotators.

    Args:
        settings: The settings.
        broker: Where corrections are sent.
        local_model: Knows the proposals.
        labels: The group that reads the labels.
    """

    def __init__(self, settings: Settings, broker: Broker, local_model: LocalModel, labels: Group) -> None:
        self.enabled = settings.labels.correct_by_consensus
        self.topic = settings.topics.examples
        self.broker = broker
        self.local_model = local_model
        self.labels = labels
        self._behind = 0  # the offset behind the last correction that was sent
        self._impossible: set[tuple[str, int]] = set()

    async def step(self) -> None:
        """Write the corrections that are due. Raises Unavailable."""
        learner = self.local_model.learner
        if not self.enabled or 0 not in self.labels.assignment() or learner.offset < self._behind:
            return
        due = (one for one in learner.trust.proposals() if one.outvoted)
        for one in list(islice(due, MOST)):
            if (one.id, one.offset) not in self._impossible:
                await self._correct(one)

    async def _correct(self, one: Proposal) -> None:
        try:
            made = correction(self.local_model.learner.ledger, one.id, one.consensus, Author(how=CONSENSUS))
            if made is None:
                return
            await self.local_model.check_correction(one.offset)
        except (NotCorrected, Misconfigured) as error:
            self._impossible.add((one.id, one.offset))
            if len(self._impossible) > MOST:
                self._impossible.pop()
            log.warning("label not corrected by consensus", sample=one.id, why=str(error))
            return
        log.info("label corrected by consensus", sample=one.id, labels=one.labels)
        (ack,) = await self.broker.send([Outgoing(self.topic, one.id.encode(), encode(made))])
        self._behind = ack.offset + 1
