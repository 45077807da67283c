"""Labelling through pipes: queries go out as JSON lines, labels come in as JSON lines.

    out   {"id": "txn-1", "features": {...}, "prediction": {...}, ..., "lease": "...", "second": false}
    in    {"id": "txn-1", "label": "fraud"}
    in    {"id": "txn-2", "skipped": true, "skip_reason": "blurred"}

As many queries go out as are asked for. Then one line is read for each of them, in any order, and the next
ones go out. The end of the input ends it; what is not labelled by then is given back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from math import inf
from typing import IO, Any

import msgspec

from stream_al.client import Client, LeasedQuery, LeasePage
from stream_al.errors import Misconfigured

__all__ = ["label_through_pipes"]

MAX_LINE_BYTES = 1_000_000


class _Line(msgspec.Struct):
    """A label as it is written on a line."""

    id: str
    label: str | int | float | bool | None = None
    skipped: bool = False
    skip_reason: str | None = None
    comment: str | None = None
    flagged: bool = False
    guess_shown: bool | None = None


def label_through_pipes(
    client: Client, given: IO[bytes], out: IO[str], *, count: int, wait: bool, say: Any
) -> int:
    """Write queries, read labels.

    Args:
        client: The client.
        given: Where labels are read from.
        out: Where queries are written to.
        count: How many queries to write before labels are read.
        wait: Whether to wait for queries when there is none.
        say: Called with sentences that are no result.

    Returns:
        The number of labels and skips sent.

    Raises:
        Misconfigured: A line is no label; which one, and why.
        ClientError: The service is away, refuses a label, or the token has no right.
    """
    said: list[bool] = []

    def waiting(page: LeasePage) -> None:
        if wait and not said:
            said.append(True)
            say("no query waits for a label; waiting for the next one")

    queries = client.queries(ahead=count, wait=inf if wait else 0.0, waiting=waiting)
    lines = enumerate(iter(lambda: given.readline(MAX_LINE_BYTES + 1), b""), 1)
    sent = 0
    while written := _written(queries, out, count):
        while written:
            number, line = next(lines, (0, b""))
            if not line:
                return sent
            if line.strip():
                label = _read(line, number)
                query = written.pop(label.id, None)
                if query is None:
                    raise Misconfigured(
                        f"line {number}: {label.id[:100]!r} is none of the queries that wait here"
                    )
                _send(client, query, label)
                sent += 1
    return sent


def _written(queries: Iterator[LeasedQuery], out: IO[str], count: int) -> dict[str, LeasedQuery]:
    """Write the next queries; those written, by id."""
    written = {}
    for query in islice(queries, count):
        record = msgspec.to_builtins(query.query) | {"lease": query.lease, "second": query.second}
        out.write(json.dumps(record) + "\n")
        out.flush()
        written[query.id] = query
    return written


def _read(line: bytes, number: int) -> _Line:
    if len(line) > MAX_LINE_BYTES:
        raise Misconfigured(f"line {number}: write at most {MAX_LINE_BYTES:,} bytes on a line")
    try:
        found = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misconfigured(f'line {number}: write {{"id": ..., "label": ...}} ({error})') from None
    if (found.label is None) != found.skipped:
        raise Misconfigured(f'line {number}: write either a "label" or "skipped": true')
    return found


def _send(client: Client, query: LeasedQuery, line: _Line) -> None:
    if line.label is None:
        client.skip(query, line.skip_reason)
    else:
        client.label(
            query, line.label, guess_shown=line.guess_shown, comment=line.comment, flagged=line.flagged
        )
