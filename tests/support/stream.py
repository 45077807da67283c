"""What the tests send: samples, their true labels, and queries as a replica publishes them.

A few labels are enough to learn the truth: a sample is `up` if its `x` is above one half, and `down`
otherwise.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

from stream_al.engine.labels.learner import Learner
from stream_al.messages import Example, ModelStamp, Prediction, Query, iso


def sample(number: int) -> dict[str, Any]:
    """The sample with a number, always the same."""
    draw = random.Random(number)  # noqa: S311 - a test's stream
    return {"id": f"s{number}", "features": {"x": draw.random(), "y": draw.random()}}


def query(sample_id: str, life_ms: int = 3_600_000) -> dict[str, Any]:
    """A query as a replica publishes it."""
    made = Query(
        id=sample_id,
        features={"x": 0.75, "y": 0.5},
        prediction=Prediction(None, {}),
        utility=0.9,
        threshold=0.5,
        propensity=0.25,
        reason="uncertain",
        strategy="margin",
        model=ModelStamp("model", "0" * 12, 0),
        sampled_at=iso(0),
        queried_at=iso(0),
        expires_at=iso(life_ms),
    )
    found: dict[str, Any] = msgspec.to_builtins(made)
    return found


def truth(features: dict[str, Any]) -> str:
    """The true label of a sample."""
    return "up" if features["x"] > 0.5 else "down"


def stamped(example: Example, learner: Learner) -> Example:
    """The example as it is if this learner made the prediction of its query."""
    return msgspec.structs.replace(example, model=ModelStamp("model", learner.version, 0))
