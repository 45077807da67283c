"""Examples in which a model begins to err, for the tests of drift and of its metrics."""

from __future__ import annotations

from stream_al.engine.randomness import uniform
from stream_al.messages import Example, Prediction


def drifting_examples(seed: int = 0) -> list[Example]:
    """800 examples. One prediction in ten is wrong in the first half, four in five in the second."""
    said = Prediction("a", {"a": 0.9, "b": 0.1})
    wrong = [uniform(seed, "wrong", str(n)) < (0.1 if n < 400 else 0.8) for n in range(800)]
    return [
        Example(f"s{n}", "b" if bad else "a", features={"x": 1.0}, prediction=said, propensity=0.5)
        for n, bad in enumerate(wrong)
    ]
