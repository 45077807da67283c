"""Labels, and learners that have folded them."""

from __future__ import annotations

from typing import Any

from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.model import Model
from stream_al.identity import version_of
from stream_al.messages import Example, Prediction

FEATURES: dict[str, Any] = {"x": 1.0}


def learner(remember: int = 10_000) -> Learner:
    return Learner(Model("GaussianNB()", seed=0), KnownLabels(remember))


def first(
    sample_id: str, label: str = "up", annotator: str | None = "ann", p: float = 0.7, **rest: Any
) -> Example:
    """A first label; p is the probability of `up`."""
    predicted = Prediction("up" if p > 0.5 else "down", {"up": p, "down": 1 - p})
    given = {"features": FEATURES, "propensity": 0.5, "reason": "uncertain", "prediction": predicted}
    return Example(sample_id, label, annotator=annotator, **{**given, **rest})


def second(sample_id: str, label: str, annotator: str | None = "bob", number: int = 2) -> Example:
    return Example(
        f"{sample_id}~{number}",
        label,
        annotator=annotator,
        reason="second",
        propensity=0.5,
        prediction=Prediction("up", {"up": 0.7, "down": 0.3}),
        version=version_of(FEATURES),
        second_of=sample_id,
        labelled_by=["ann", "bob", "eve"][: number - 1],
    )


def folded(*examples: Example) -> Learner:
    found = learner()
    for offset, example in enumerate(examples):
        found.fold(example, offset)
    return found
