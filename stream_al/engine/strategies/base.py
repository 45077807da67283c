"""What every query strategy takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import numpy as np
from msgspec import Struct

from stream_al.engine.model.model import Model
from stream_al.engine.model.sketch import Point, Points
from stream_al.engine.samples.table import Floats, Sample
from stream_al.engine.strategies.history import HistoryCursor
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel

__all__ = ["Arrival", "ByHistory", "ByModel", "Candidate", "Candidates", "Factor", "Need", "each"]


class Candidate(NamedTuple):
    """A sample as a factor sees it that judges by the model alone.

    Attributes:
        id: The sample's id; every random choice about the sample is drawn from it.
        features: Its features.
        probabilities: What the model says of it, over two classes or more, summing to 1.
        model: The model, to be asked and left as it is.
        seed: The application's seed.
        target: Class, as text, to the share that the labels should have of it; None for equal shares.
    """

    id: str
    features: Mapping[str, object]
    probabilities: Mapping[ClassLabel, float]
    model: Model
    seed: int = 0
    target: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Samples side by side, as factors see them that judge by the model alone.

    What is said of one must not depend on the others (see `engine.samples.table`).

    Attributes:
        samples: The samples.
        labels: The classes, two or more.
        probabilities: Their probabilities, a row a sample.
        model: As in `Candidate`, and so
        seed: and
        target.
        failed: Samples, by their place, on which River fails while a factor asks it; factors add to it.
    """

    samples: Sequence[Sample]
    labels: Sequence[ClassLabel]
    probabilities: Floats
    model: Model
    seed: int = 0
    target: Mapping[str, float] | None = None
    failed: dict[int, BadMessage] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Candidate]:
        for sample, row in zip(self.samples, self.probabilities.tolist(), strict=True):
            said = dict(zip(self.labels, row, strict=True))
            yield Candidate(sample.id, sample.features, said, self.model, self.seed, self.target)


def each(judge: Callable[[Candidate], float]) -> Callable[[Candidates], Floats]:
    """A factor that takes samples one at a time, as one that takes them side by side."""

    def judged(candidates: Candidates) -> Floats:
        found = np.zeros(len(candidates.samples))
        for place, candidate in enumerate(candidates):
            try:
                found[place] = judge(candidate)
            except BadMessage as error:
                candidates.failed.setdefault(place, error)
        return found

    return judged


class Arrival(Struct, frozen=True, gc=False):
    """A sample once the model has looked at it.

    Attributes:
        id: The sample's id.
        probabilities: What the model says now, summing to 1; empty when it knows fewer than two classes.
        utility: The product of the factors that judge by the model alone, in [0, 1].
        sketch: The sample for the factors that judge by memory; None if there are none, or if the model
            cannot judge yet.
        timestamp_ms: When it came, by the log's time.
    """

    id: str
    probabilities: Mapping[ClassLabel, float]
    utility: float
    sketch: Point | None = None
    timestamp_ms: int = 0


class Need(StrEnum):
    """What a factor must find in the model."""

    MEMBERS = "members"
    """Several opinions: an ensemble's, or a committee's."""
    GRADIENT = "gradient"
    """A linear model at the end."""
    REFERENCE_SET = "surroundings"
    """The last examples, and the scale of the features."""


@dataclass(frozen=True, slots=True)
class ByModel:
    """A factor that judges by the model alone.

    Attributes:
        judge: From the sights of samples to a utility in [0, 1] of each.
        needs: What the model must have for it.
    """

    judge: Callable[[Candidates], Floats]
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True, slots=True)
class ByHistory:
    """A factor that judges by what the partition remembers.

    Attributes:
        judge: From samples' sketches, one a row, the memory before them and the number of its queries that
            are pending to a utility in [0, 1] of each.
        by_samples: Whether the samples in the memory have a say. Then each that is decided changes what
            comes after it, else only what is asked about does.
    """

    judge: Callable[[Points, HistoryCursor, int], Floats]
    by_samples: bool = True


Factor: TypeAlias = ByModel | ByHistory
