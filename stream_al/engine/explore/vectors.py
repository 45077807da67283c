"""Vectors: samples as the model sees them, of a width that does not grow with the stream.

    a model with an encoder of its own (`auto`)   its standardised columns, and its words
    any other                                     sketches (`engine.model.sketch`) on the samples' scale

`WIDTH` components are enough for distances between a few thousand samples. Up to that many columns are
taken as they are; of more, and of words, each is added to all components with a random sign, which keeps
distances as well as a Gaussian matrix does (Achlioptas: Database-friendly Random Projections, PODS 2001).
The signs are hashes, so the same sample gives the same vector everywhere.

The vector of a sample does not depend on the samples beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import sqrt

import numpy as np

from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.learners.encoder.rows import STEPS
from stream_al.engine.model.model import Model
from stream_al.engine.model.sketch import COMPONENTS, STEP, numeric, project_all
from stream_al.engine.samples.table import Floats, Sample

__all__ = ["WIDTH", "Scale", "needs_scale", "vectors"]

WIDTH = 64
MAX_FEATURES = 1024  # whose scale is measured
MAX_TOKENS = 200  # of a sample that count
HUGE = 1e100


class Scale:
    """Mean and deviation of the numbers of each feature, for models without an encoder.

    >>> from stream_al.engine.samples.table import sample_of
    >>> scale = Scale()
    >>> scale.add([sample_of("a", {"x": 1.0}), sample_of("b", {"x": 3.0, "color": "red"})])
    >>> scale.found()
    {'x': (2.0, 1.0), 'color': (0.0, 0.0)}
    """

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}  # number, sum, sum of squares

    def add(self, samples: Sequence[Sample]) -> None:
        """Measure more samples."""
        sums = self._sums
        for sample in samples:
            for name, value in zip(sample.shape.names, sample.values, strict=True):
                known = sums.get(name)
                if known is None:
                    if len(sums) >= MAX_FEATURES:
                        continue
                    known = sums[name] = [0.0, 0.0, 0.0]
                number = numeric(value)
                if number is not None and -HUGE <= number <= HUGE:
                    known[0] += 1.0
                    known[1] += number
                    known[2] += number * number

    def found(self) -> dict[str, tuple[float, float]]:
        """Feature to mean and standard deviation."""
        return {name: _spread(*sums) for name, sums in self._sums.items()}


def _spread(number: float, total: float, squares: float) -> tuple[float, float]:
    if not number:
        return 0.0, 0.0
    mean = total / number
    return mean, sqrt(max(0.0, squares / number - mean * mean))


def needs_scale(model: Model) -> bool:
    """Whether `vectors` needs a scale of the samples for this model."""
    return _encoder(model) is None


def vectors(model: Model, samples: Sequence[Sample], scale: dict[str, tuple[float, float]]) -> Floats:
    """Samples as vectors: a row each, of `WIDTH` finite numbers. The model is read and not changed.

    Args:
        model: The model.
        samples: The samples.
        scale: As `Scale.found`; not used for a model with an encoder of its own.
    """
    found = np.zeros((len(samples), WIDTH))
    if not samples:
        return found
    encoder = _encoder(model)
    if encoder is None:
        found[:, :COMPONENTS] = project_all(samples, scale) / float(STEP)
        return found
    rows = encoder.columns.encode([(sample.shape.names, sample.values) for sample in samples])
    columns = np.nan_to_num(rows.z / STEPS)
    width = columns.shape[1]
    found[:, : min(width, WIDTH)] = columns if width <= WIDTH else columns @ _signs(width) / sqrt(WIDTH)
    apart = rows.dense[rows.tokens] < 0  # the others have a column
    tokens, owners = rows.tokens[apart], rows.owners[apart]
    if len(tokens):
        counts = np.bincount(owners, minlength=len(samples))
        begins = np.cumsum(counts) - counts
        counted = np.arange(len(tokens)) - begins[owners] < MAX_TOKENS
        tokens, owners = tokens[counted], owners[counted]
        each = np.stack([_row(f"token {number}") for number in tokens.tolist()])
        weights = 1.0 / np.sqrt(np.maximum(1, np.minimum(counts, MAX_TOKENS)))
        np.add.at(found, owners, each * weights[owners][:, None] / sqrt(WIDTH))
    return found


def _encoder(model: Model) -> RowClassifier | None:
    river = model.classifier.river
    return river if isinstance(river, RowClassifier) else None


@lru_cache(maxsize=4)
def _signs(width: int) -> Floats:
    return np.stack([_row(f"column {number}") for number in range(width)])


@lru_cache(maxsize=16_384)
def _row(key: str) -> Floats:
    """A row of signs, from the key's hash."""
    digest = blake2b(key.encode(), digest_size=WIDTH // 8).digest()
    signs: Floats = 2.0 * np.unpackbits(np.frombuffer(digest, dtype=np.uint8)).astype(np.float64) - 1.0
    return signs
