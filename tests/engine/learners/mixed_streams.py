"""Small streams of every kind, from a seed."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from stream_al.engine.learners import (
    Auto,
    ExtraTrees,
    FourierSoftmax,
    MondrianForest,
    NaiveBayes,
    NearestNeighbours,
    Softmax,
)
from stream_al.engine.learners.base import RowClassifier

Stream = list[tuple[dict[Any, Any], Any]]

KINDS: tuple[type[RowClassifier], ...] = (
    Auto,
    ExtraTrees,
    FourierSoftmax,
    MondrianForest,
    NaiveBayes,
    NearestNeighbours,
    Softmax,
)

SPAM = ["call", "now", "free", "win", "claim", "prize"]
HAM = ["claim", "prize", "home", "dinner", "see", "you", "later", "love", "work", "tomorrow", "meeting"]


def numbers(size: int, width: int = 4, classes: int = 3, seed: int = 1) -> Stream:
    """Clusters of numbers."""
    draw = random.Random(seed)  # noqa: S311 -- a fixed stream
    middles = [[draw.uniform(-2, 2) for _ in range(width)] for _ in range(classes)]
    stream = []
    for _ in range(size):
        label = draw.randrange(classes)
        stream.append(({f"x{i}": draw.gauss(m, 1) for i, m in enumerate(middles[label])}, f"class {label}"))
    return stream


def payments(size: int, seed: int = 1) -> Stream:
    """Everything at once: numbers, categories, texts, dates, ids, truth values, and what is missing."""
    draw = random.Random(seed)  # noqa: S311 -- a fixed stream
    at = datetime(2026, 1, 1, tzinfo=UTC)
    stream = []
    for place in range(size):
        at += timedelta(seconds=draw.expovariate(1 / 5000))
        spam = draw.random() < 0.4
        amount = draw.lognormvariate(4 if spam else 3, 1)
        features: dict[str, Any] = {
            "payment_id": str(uuid.UUID(int=draw.getrandbits(128))),
            "sequence": 10**6 + place,
            "amount": round(amount, 2),
            "country": draw.choice(["NL", "BE"] if spam else ["NL", "FR"]),
            "note": " ".join(draw.choice(SPAM if spam else HAM) for _ in range(6)),
            "at": at.isoformat(),
            "new": draw.random() < 0.3,
            "age": draw.choice([None, 31, 40.5, "unknown", float("nan"), "17"]),
        }
        if draw.random() < 0.2:
            del features["country"]
        if draw.random() < 0.3:
            features[f"rare {draw.randrange(40)}"] = draw.random()
        stream.append((features, "spam" if spam else "ham"))
    return stream


def reversal(size: int, change: int, width: int = 4, seed: int = 1) -> Stream:
    """Two classes on either side of a plane, which change places at one position."""
    draw = random.Random(seed)  # noqa: S311 -- a fixed stream
    stream = []
    for place in range(size):
        x = [draw.gauss(0, 1) for _ in range(width)]
        stream.append(
            ({f"x{i}": value for i, value in enumerate(x)}, "ab"[(x[0] + x[1] > 0) ^ (place >= change)])
        )
    return stream


def taught(kind: type[RowClassifier], stream: Stream) -> RowClassifier:
    """A learner that has learned the stream."""
    model = kind()
    for features, label in stream:
        model.learn_one(features, label)
    return model


def records(stream: Stream) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """The samples of a stream as a batch."""
    return [(tuple(features), tuple(features.values())) for features, _ in stream]
