"""What every query strategy takes and returns."""

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
from stream_al.engine.strategies.history.history import HistoryCursor
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel

__all__ = [
    "Candidate",
    "Candidates",
    "Factor",
    "Failure",
    "HistoryFactor",
    "ModelFactor",
    "Need",
    "ScoredSample",
    "each",
]


class Candidate(NamedTuple):
    """A sample, with what the model says about it.

    Attributes:
        draw: What every random choice about the sample is drawn from: its own `draw`, or its id.
        features: Its features.
        probabilities: The probabilities of two classes or more, summing to 1.
        model: The model, to be read and not changed.
        seed: The application's seed.
        target: Class, as text, to the share that the labels should have of it; None for equal shares.
    """

    draw: str
    features: Mapping[str, object]
    probabilities: Mapping[ClassLabel, float]
    model: Model
    seed: int = 0
    target: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """A batch of candidates. The utility of one must not depend on the others (see `engine.samples.table`).

    Attributes:
        samples: The samples.
        labels: The classes, two or more.
        probabilities: Their probabilities, a row a sample.
        model: As in `Candidate`.
        seed: As in `Candidate`.
        target: As in `Candidate`.
        failed: Samples, by their place, on which River fails while a factor reads the model; factors add to
            it.
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
            probabilities = dict(zip(self.labels, row, strict=True))
            draw = sample.draw or sample.id
            yield Candidate(draw, sample.features, probabilities, self.model, self.seed, self.target)


def each(utility_of: Callable[[Candidate], float]) -> Callable[[Candidates], Floats]:
    """A function of one candidate, as a function of a batch."""

    def utilities(candidates: Candidates) -> Floats:
        found = np.zeros(len(candidates.samples))
        for place, candidate in enumerate(candidates):
            try:
                found[place] = utility_of(candidate)
            except BadMessage as error:
                candidates.failed.setdefault(place, error.kept())
        return found

    return utilities


class Failure(Struct, frozen=True, gc=False):
    """Why the model fails on a sample.

    Attributes:
        reason: A short, stable name, as of a `BadMessage`.
        message: What happened, in one sentence.
    """

    reason: str
    message: str

    @classmethod
    def of(cls, error: BadMessage) -> Failure:
        """The failure that an error tells of, without the traceback that it keeps alive."""
        return cls(error.reason, str(error))


class ScoredSample(Struct, frozen=True, gc=False):
    """A sample, scored by the model.

    Attributes:
        id: The sample's id.
        probabilities: The model's probabilities, summing to 1; empty without a prediction.
        utility: The product of the model factors, in [0, 1].
        sketch: The sample for the history factors; None if there are none, or without a prediction.
        timestamp_ms: The timestamp that the log gave it, in milliseconds.
        failure: Why the model fails on it; None if it does not.
        draw: What the random choices of the budget manager are drawn from; empty for the id.
    """

    id: str
    probabilities: Mapping[ClassLabel, float]
    utility: float
    sketch: Point | None = None
    timestamp_ms: int = 0
    failure: Failure | None = None
    draw: str = ""


class Need(StrEnum):
    """What a factor needs in the model."""

    MEMBERS = "members"
    """Several voters: the members of an ensemble, or of a committee."""
    GRADIENT = "gradient"
    """A linear model at the end."""
    REFERENCE_SET = "reference set"
    """The last examples, and the scale of the features."""


@dataclass(frozen=True, slots=True)
class ModelFactor:
    """A factor that depends on the model alone.

    Attributes:
        utilities: From candidates to a utility in [0, 1] of each.
        needs: What the model must have for it.
        looks_ahead: Whether it copies the model for each sample, which takes milliseconds.
    """

    utilities: Callable[[Candidates], Floats]
    needs: frozenset[Need] = frozenset()
    looks_ahead: bool = False


@dataclass(frozen=True, slots=True)
class HistoryFactor:
    """A factor that depends on the partition's history.

    Attributes:
        utilities: From samples' sketches, one a row, the history before them, and the number of pending
            queries of the partition, to a utility in [0, 1] of each.
        uses_samples: Whether it depends on the samples in the history. If so, each decision changes the
            utilities of the samples after it; if not, only each purchase does.
    """

    utilities: Callable[[Points, HistoryCursor, int], Floats]
    uses_samples: bool = True


Factor: TypeAlias = ModelFactor | HistoryFactor
