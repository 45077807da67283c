"""What every query strategy takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from stream_al.engine.memory import Recall
from stream_al.engine.model import Label, Model
from stream_al.engine.sketch import Point

__all__ = ["Arrival", "ByMemory", "ByModel", "Factor", "Need", "Sight"]


class Sight(NamedTuple):
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
    probabilities: Mapping[Label, float]
    model: Model
    seed: int = 0
    target: Mapping[str, float] | None = None


class Arrival(NamedTuple):
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
    probabilities: Mapping[Label, float]
    utility: float
    sketch: Point | None = None
    timestamp_ms: int = 0


class Need(StrEnum):
    """What a factor must find in the model."""

    MEMBERS = "members"
    """Several opinions: an ensemble's, or a committee's."""
    GRADIENT = "gradient"
    """A linear model at the end."""
    SURROUNDINGS = "surroundings"
    """The last examples, and the scale of the features."""


@dataclass(frozen=True, slots=True)
class ByModel:
    """A factor that judges by the model alone.

    Attributes:
        judge: From the sight of a sample to a utility in [0, 1]; it may raise BadMessage where River fails.
        needs: What the model must have for it.
    """

    judge: Callable[[Sight], float]
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True, slots=True)
class ByMemory:
    """A factor that judges by what the partition remembers.

    Attributes:
        judge: From a sample's sketch, the memory before it and the number of its queries that are pending
            to a utility in [0, 1].
    """

    judge: Callable[[Point, Recall, int], float]


Factor: TypeAlias = ByModel | ByMemory
