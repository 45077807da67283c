"""Kafka behind the protocols of `service.broker.protocols`; the only module that knows aiokafka.

What aiokafka does that shapes this file (0.14):

- `send`, `commit` and `stop` can wait for ever while brokers are away: each has a deadline here.
- After a deadline the idempotent producer still holds its batches and may send them later, or be
  stuck on a fatal sequence error: it is given up and a new one is made. What was sent twice is made
  harmless by keys.
- A rebalance runs in the background. Its listener only counts generations: errors in a listener are
  swallowed, so nothing may be loaded there.
- With an offset reset policy a lost offset would silently skip or repeat a stream. There is none here:
  a group without offsets starts where the settings say, an offset outside the log is `StateLost`.
- `consumer.committed()` drops the commit's metadata; the admin client returns it. While a coordinator is
  loading it returns nothing at all, which must not be read as "nothing committed".
"""

from __future__ import annotations

from stream_al.service.broker.kafka.cluster import Kafka

__all__ = ["Kafka"]
