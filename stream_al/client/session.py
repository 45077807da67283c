"""The session of a client: its operations, and the queries that it holds. It opens no connection."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from random import SystemRandom
from typing import Any

from stream_al.client.batches import MAX_BYTES, MAX_RECORDS
from stream_al.client.connection import connection
from stream_al.client.exchange import Pace, Plan
from stream_al.client.leases import Feed
from stream_al.client.operations import Operations, Target, label_record
from stream_al.client.options import Options
from stream_al.client.responses import Expected
from stream_al.messages import ClassLabel

__all__ = ["Session"]

TIMEOUT_SECONDS = 30.0


class Session:
    """One client's operations, and the queries that it holds.

    Args:
        url: The address of the service.
        options: The options of the client.

    Raises:
        Misconfigured: An option cannot be used.
    """

    def __init__(self, url: str | None, options: Options) -> None:
        self.connection = connection(
            url,
            token=options.get("token"),
            token_file=options.get("token_file"),
            ca_file=options.get("ca_file"),
        )
        self.operations = Operations(
            Pace(options.get("timeout", TIMEOUT_SECONDS), time.monotonic, SystemRandom().random),
            options.get("holder") or uuid.uuid4().hex,
            options.get("annotator"),
            "holder" in options,
            options.get("max_bytes", MAX_BYTES),
            options.get("max_records", MAX_RECORDS),
        )
        self.feeds: list[Feed] = []

    def feed(self, ahead: int) -> Feed:
        """A new feed of queries, which ends with the client."""
        self.feeds.append(Feed(self.operations, ahead))
        return self.feeds[-1]

    def label(
        self, query: Target, label: ClassLabel, *, annotator: str | None = None, **more: Any
    ) -> Plan[str]:
        """Give a label; what is expected to become of it. `more` are further members of the label."""
        who = annotator or self.operations.annotator
        return (yield from self._close(label_record(query, label, annotator=who, **more)))

    def skip(self, query: Target, reason: str | None) -> Plan[str]:
        """Close a query without a label; what is expected to become of it."""
        who = self.operations.annotator
        return (
            yield from self._close(label_record(query, None, annotator=who, skipped=True, skip_reason=reason))
        )

    def send(self, samples: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Plan[list[str]]:
        """Send one sample or many; their ids."""
        return self.operations.send([samples] if isinstance(samples, Mapping) else samples)

    def send_labels(self, labels: Iterable[Mapping[str, Any]]) -> Plan[list[Expected]]:
        """Send labels; what is expected to become of each."""
        expected = yield from self.operations.send_labels(labels)
        for one in expected:
            self._done(one.id)
        return expected

    def correct(self, query: Target, label: ClassLabel) -> Plan[None]:
        """Replace a label."""
        return self.operations.correct(query, label, self.operations.annotator)

    def give_back(self, feed: Feed) -> Plan[list[str]]:
        """Give back all that a feed holds, and forget the feed; what went wrong, in sentences."""
        if feed in self.feeds:
            self.feeds.remove(feed)
        return feed.give_back()

    def _close(self, record: Mapping[str, Any]) -> Plan[str]:
        expected = yield from self.operations.label(record)
        self._done(record["id"])
        return expected

    def _done(self, query_id: str) -> None:
        """Note that a query got its label."""
        for feed in list(self.feeds):
            feed.done(query_id)
