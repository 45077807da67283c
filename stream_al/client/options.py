"""What both clients have in common: their options, and what they know of the queries in hand."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import SystemRandom
from typing import Any, TypedDict

from stream_al.client.batches import MAX_BYTES, MAX_RECORDS
from stream_al.client.connection import connection
from stream_al.client.exchange import Pace
from stream_al.client.leases import Feed
from stream_al.client.operations import Operations

__all__ = ["Options", "Session", "as_list"]

TIMEOUT_SECONDS = 30.0


class Options(TypedDict, total=False):
    """The options of a client.

    Attributes:
        token: The token; else that of the file; else STREAM_AL_CLIENT_TOKEN or STREAM_AL_CLIENT_TOKEN_FILE.
        token_file: A file that holds the token and nothing else.
        ca_file: File of certificates (PEM) to trust instead of the system's.
        annotator: The name of the annotator, for labels and leases.
        holder: The session for which queries are leased; by default each client has one of its own. With the
            holder of an earlier one, a client goes on with the queries which that one had.
        timeout: Seconds for each request, with all its repetitions; 30 by default.
        max_bytes: The largest body to send, `http.max_body_bytes` of the service.
        max_records: The most records in a request, `http.max_records` of the service.
    """

    token: str | None
    token_file: str | Path | None
    ca_file: str | Path | None
    annotator: str | None
    holder: str | None
    timeout: float
    max_bytes: int
    max_records: int


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

    def done(self, query_id: str, expected: str) -> str:
        """Note that a query got its label; what is expected to become of it."""
        for feed in list(self.feeds):
            feed.done(query_id)
        return expected


def as_list(samples: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """One sample or many, as many."""
    return [samples] if isinstance(samples, Mapping) else samples
