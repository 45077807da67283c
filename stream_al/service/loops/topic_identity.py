"""The identity of topics: a topic that is created anew under the running service is another topic.

Its offsets begin at 0 again, and those that the service knows mean other records or none. So the process ends
at once; it does not read on at an offset that happens to exist. When it starts again, it is as if it had been
down meanwhile: what is lost is found (`lost_offsets`, `service.model.replay`), and the error says what to do.
"""

from __future__ import annotations

from stream_al.errors import StateLost
from stream_al.service.broker.protocols import Broker
from stream_al.settings import TopicSettings

__all__ = ["TopicIdentity"]


class TopicIdentity:
    """Knows the topics by their ids.

    Args:
        broker: The broker; one that gives no ids has topics that are never seen to change.
        topics: The topics of the application. Those that are only written have no offset that matters.
    """

    def __init__(self, broker: Broker, topics: TopicSettings) -> None:
        self._broker = broker
        stream = (topics.samples, topics.queries, topics.labels, topics.examples)
        self._topics = (*stream, topics.control, topics.leases)
        self._known: dict[str, str] = {}

    async def check(self) -> None:
        """Compare the ids with those that were seen first. Raises StateLost or Unavailable."""
        for topic, identity in (await self._broker.topic_ids(self._topics)).items():
            if self._known.setdefault(topic, identity) != identity:
                raise StateLost(
                    f"the topic {topic} was deleted and created anew while the service ran: start the "
                    "service again; if it refuses, it says what to do"
                )
