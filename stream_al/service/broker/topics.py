"""The topics of an application, and the configuration of each.

All of them use the timestamps of the broker (`LogAppendTime`), because the life of a query is measured in
log time. So a replica whose clock is wrong does no harm. With the timestamps of the writers, brokers would
refuse the records of a replica whose clock is more than an hour ahead (`message.timestamp.after.max.ms`),
and its partitions would stand still.
"""

from __future__ import annotations

from stream_al.engine.budgets.caps import HOUR_MS
from stream_al.service.broker.protocols import Topic
from stream_al.settings import QuerySettings, Settings, TopicSettings

__all__ = ["query_life_ms", "required_topics", "topic_purposes"]

MINUTE_MS = 60_000


def query_life_ms(given: QuerySettings) -> int:
    """How long a query waits for its label, in milliseconds."""
    return int(given.life_hours * HOUR_MS)


def required_topics(settings: Settings) -> list[Topic]:
    """The topics without which the service does not start."""
    given = settings.topics
    life_ms = query_life_ms(settings.queries)
    broker_time = {"message.timestamp.type": "LogAppendTime"}
    kept_forever = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
    kept_for_a_query = {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(life_ms + max(HOUR_MS, life_ms // 10)),
        "min.cleanable.dirty.ratio": "0.1",
    }
    kept_by_key = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
    lease_ms = int(settings.labels.lease_seconds * 1000)
    kept_for_a_lease = {
        "cleanup.policy": "compact,delete",
        "min.compaction.lag.ms": str(4 * lease_ms + MINUTE_MS),  # see `engine.labels.leases`
        "retention.ms": str(4 * lease_ms + HOUR_MS),
        "segment.ms": str(HOUR_MS),  # what is in use is neither compacted nor deleted
    }
    large = {"max.message.bytes": str(settings.input.max_message_bytes)}
    replicas = given.replication_factor
    topics = [
        Topic(given.samples, given.partitions, replicas, broker_time),
        Topic(given.queries, 1, replicas, kept_for_a_query | broker_time | large),
        Topic(given.labels, given.partitions, replicas, broker_time),
        Topic(given.examples, 1, replicas, kept_forever | broker_time | large),
        Topic(given.control, 1, replicas, kept_by_key | broker_time),
        Topic(given.leases, 1, replicas, kept_for_a_lease | broker_time),
    ]
    if given.predictions:
        topics.append(Topic(given.predictions, given.partitions, replicas, broker_time))
    suffix = given.dead_letter_suffix
    topics += [
        Topic(name + suffix, 1, replicas, broker_time | large) for name in (given.samples, given.labels)
    ]
    return topics


def topic_purposes(given: TopicSettings) -> dict[str, str]:
    """What each topic is for, in a few words for people."""
    purposes = {
        given.samples: "samples to decide about",
        given.queries: "requests for labels",
        given.labels: "labels",
        given.examples: "what the model learns from",
        given.control: "what is changed while the service runs",
        given.leases: "who labels which query",
        given.samples + given.dead_letter_suffix: "samples that cannot be used",
        given.labels + given.dead_letter_suffix: "labels that cannot be used",
    }
    if given.predictions:
        purposes[given.predictions] = "a prediction for every sample"
    return purposes
