"""The reference set: the last examples, and the scale of each feature.

Some strategies need the examples themselves: to compare predictions before and after one more label, or to
measure how far a sample is from them. So the model may keep the last `RECENT` of them, and the mean and
variance of every feature (Welford: Note on a Method for Calculating Corrected Sums of Squares and Products,
Technometrics 1962), by which samples become sketches (`engine.model.sketch`). Both are parts of the fold:
equal on all replicas, and in every snapshot.

Memory is bounded: `RECENT` examples, and the scale of the first `FEATURES` features.
"""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from math import sqrt
from typing import TYPE_CHECKING, Any

from stream_al.engine.model.sketch import Point, Points, Sketches, numeric, points, project, project_all
from stream_al.engine.samples.table import sample_of, with_shared_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stream_al.engine.samples.table import Sample
    from stream_al.messages import ClassLabel

__all__ = ["FEATURES", "RECENT", "ReferenceSet"]

RECENT = 100  # examples
FEATURES = 1000
HUGE = 1e100  # values beyond it are replaced by it, so that their squares can be summed


class ReferenceSet:
    """The last examples, and the scale of each feature.

    Attributes:
        recent: The last examples, features and label, oldest first.

    >>> reference = ReferenceSet()
    >>> for x in (1.0, 2.0, 3.0):
    ...     reference.learn({"x": x}, "ham")
    >>> reference.sketch({"x": 2.0}) == bytes(16)
    True
    >>> reference.scale()["x"]
    (2.0, 1.0)
    """

    def __init__(self) -> None:
        self.recent: deque[tuple[Mapping[str, object], ClassLabel]] = deque(maxlen=RECENT)
        self._moments: dict[str, tuple[int, float, float]] = {}  # count, mean, sum of squared gaps
        self._scale: dict[str, tuple[float, float]] | None = None
        self._points: Points | None = None

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Add an example."""
        self.recent.append((dict(features), label))
        moments = self._moments
        for name, value in features.items():
            known = moments.get(name)
            if known is None:
                if len(moments) >= FEATURES:
                    continue
                known = moments[name] = (0, 0.0, 0.0)
            # Nearly all values are floats, and a replay has millions of them.
            number = value if type(value) is float and -HUGE <= value <= HUGE else _bounded(value)
            if number is None:
                continue
            count, mean, squares = known
            gap = number - mean
            mean += gap / (count + 1)
            moments[name] = (count + 1, mean, squares + gap * (number - mean))
        self._scale = self._points = None

    def latest(
        self, number: int, most_values: int, used: Callable[[Mapping[str, object]], Mapping[str, object]]
    ) -> list[Sample]:
        """The last examples, `number` at most, with `most_values` used values in all; one at least."""
        recent = [features for features, _ in self.recent][-number:]
        sizes = accumulate(len(used(features)) for features in reversed(recent))
        fit = sum(1 for size in sizes if size <= most_values)
        return with_shared_shapes(sample_of("", features) for features in recent[-max(1, fit) :])

    def scale(self) -> Mapping[str, tuple[float, float]]:
        """Feature to mean and standard deviation of its numbers."""
        if self._scale is None:
            self._scale = {
                name: (mean, sqrt(squares / (count - 1)) if count > 1 else 0.0)
                for name, (count, mean, squares) in self._moments.items()
            }
        return self._scale

    def sketch(self, features: Mapping[str, object]) -> Point:
        """A sample as a small vector, on the scale of the examples."""
        return project(features, self.scale())

    def sketches(self, samples: Sequence[Sample]) -> Sketches:
        """Samples as small vectors, one a row."""
        return project_all(samples, self.scale())

    def points(self) -> Points:
        """The sketches of the recent examples, on the current scale."""
        if self._points is None:
            self._points = points(b"".join(self.sketch(features) for features, _ in self.recent))
        return self._points

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_scale": None, "_points": None}


def _bounded(value: object) -> float | None:
    number = numeric(value)
    return None if number is None else min(HUGE, max(-HUGE, number))
