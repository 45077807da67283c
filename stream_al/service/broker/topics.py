"""The topics of an application, and how each has to be kept.

Timestamps are the broker's (`LogAppendTime`) on all of them: a query's life is measured in log time, and
a clock may show what it likes. With the writers' own timestamps brokers refuse the records of a replica
whose clock is more than an hour ahead (`message.timestamp.after.max.ms`), and its partitions stand still.
"""

from __future__ import annotations

from stream_al.service.broker.protocols import Topic
from stream_al.settings import Settings

__all__ = ["needed", "wanted"]

HOUR_MS = 3_600_000


def needed(settings: Settings) -> list[Topic]:
    """The topics without which the service does not start."""
    given = settings.topics
    life_ms = int(settings.queries.life_hours * HOUR_MS)
    broker_time = {"message.timestamp.type": "LogAppendTime"}
    forever = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
    kept = {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(life_ms + max(HOUR_MS, life_ms // 10)),
        "min.cleanable.dirty.ratio": "0.1",
    }
    latest = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
    large = {"max.message.bytes": str(2 * settings.input.max_bytes + 100_000)}  # a sample, and what is added
    replicas = given.replication_factor
    topics = [
        Topic(given.samples, given.partitions, replicas, broker_time),
        Topic(given.queries, 1, replicas, kept | broker_time | large),
        Topic(given.labels, given.partitions, replicas, broker_time),
        Topic(given.examples, 1, replicas, forever | broker_time | large),
        Topic(given.control, 1, replicas, latest | broker_time),
    ]
    if given.predictions:
        topics.append(Topic(given.predictions, given.partitions, replicas, broker_time))
    suffix = given.dead_letter_suffix
    topics += [
        Topic(name + suffix, 1, replicas, broker_time | large) for name in (given.samples, given.labels)
    ]
    return topics


def wanted(settings: Settings) -> dict[str, str]:
    """What each topic is for, for people."""
    given = settings.topics
    meanings = {
        given.samples: "samples to decide about",
        given.queries: "requests for labels",
        given.labels: "answers",
        given.examples: "what the model learns from",
        given.control: "what is changed while the service runs",
        given.samples + given.dead_letter_suffix: "samples that cannot be used",
        given.labels + given.dead_letter_suffix: "answers that cannot be used",
    }
    if given.predictions:
        meanings[given.predictions] = "a prediction for every sample"
    return meanings
