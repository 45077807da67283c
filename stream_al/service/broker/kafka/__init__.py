"""Kafka behind the protocols of `service.broker.protocols`; only this package imports aiokafka.

These properties of aiokafka (0.14) shape the package:

- `send`, `commit` and `stop` can wait for ever while brokers are away. Here each has a deadline.
- After a deadline the producer may still send its batches; see `producer`.
- A rebalance runs in the background, and errors in its listener are swallowed. So the listener only counts
  generations, and loads nothing.
- With an offset reset policy, a lost offset would silently skip or repeat a part of the stream. The groups
  have no such policy: a group without offsets starts where the settings say, and an offset that the topic
  does not hold raises `StateLost`.
- A header whose name is no text would wedge its partition; see `header_names`.
- `consumer.committed()` drops the metadata of a commit; the admin client returns it. While a coordinator is
  loading, the admin client returns no offsets at all, which does not mean that nothing was committed.
"""

from __future__ import annotations

from stream_al.service.broker.kafka.cluster import Kafka
from stream_al.service.broker.kafka.header_names import read_any_header_name

__all__ = ["Kafka"]

read_any_header_name()
