"""What the topics hold after long service: examples and open queries, as the service writes them.

The features are those of `DISTINCT` samples, repeated under new ids, because drawing a million samples takes
longer than learning them. Six of seven predictions are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from time import time

from stream_al.engine.labels.join import Pending, join
from stream_al.messages import Label, ModelStamp, Prediction, Query, encode, iso
from tests.benchmarks.speed.cases import CASES, Case, Row

__all__ = ["CASE", "examples", "queries", "repeated"]

CASE = CASES[0]
DISTINCT = 5000
LIFE_MS = 168 * 3_600_000
OTHER = {"high": "low", "low": "high"}


def repeated(number: int, prefix: str, case: Case = CASE) -> Iterator[Row]:
    """This number of samples, each with an id of its own."""
    drawn = list(case.rows(min(number, DISTINCT)))
    for index, row in enumerate(islice(cycle(drawn), number)):
        yield replace(row, id=f"{prefix}{index:07}")


def examples(number: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the topic `examples`."""
    now_ms = int(time() * 1000)
    for index, row in enumerate(repeated(number, "e")):
        label, pending = Label(row.id, row.label), Pending(_query(row, index, now_ms), now_ms, LIFE_MS)
        yield row.id.encode(), encode(join(label, at_ms=now_ms, pending=pending, known=None).example)


def queries(number: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the topic `queries`. None of the queries has a label."""
    now_ms = int(time() * 1000)
    for index, row in enumerate(repeated(number, "p")):
        yield row.id.encode(), encode(_query(row, index, now_ms))


def _query(row: Row, index: int, now_ms: int) -> Query:
    said = OTHER[row.label] if index % 7 == 0 else row.label
    return Query(
        id=row.id,
        features=row.features,
        prediction=Prediction(said, {said: 0.6180339887, OTHER[said]: 0.3819660113}),
        utility=0.7639320225 - index % 100 / 1000,
        threshold=0.6124309812,
        propensity=0.5 if index % 20 else 0.0025,
        reason="uncertain" if index % 20 else "explore",
        strategy="margin",
        model=ModelStamp("model", "0123456789ab", index),
        sampled_at=iso(now_ms),
        queried_at=iso(now_ms),
        expires_at=iso(now_ms + LIFE_MS),
        pending=index,
    )
