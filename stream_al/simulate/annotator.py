"""The simulated annotator: it knows the truth and gives a wrong label with a fixed probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream_al.engine.randomness import uniform
from stream_al.messages import ClassLabel

__all__ = ["SimulatedAnnotator", "truthful"]


def truthful(sample_id: str, truth: ClassLabel) -> ClassLabel:
    """The label of an annotator that is never wrong."""
    return truth


@dataclass(frozen=True, slots=True)
class SimulatedAnnotator:
    """Gives labels, some of them wrong.

    Attributes:
        classes: All classes of the stream.
        error: The probability of a wrong label. All wrong classes are equally likely.
        seed: The seed of the random draws.

    >>> SimulatedAnnotator(["a", "b"], error=1.0, seed=0).label("1", "a")
    'b'
    """

    classes: Sequence[ClassLabel]
    error: float
    seed: int

    def label(self, sample_id: str, truth: ClassLabel) -> ClassLabel:
        """The label of a sample. It is always the same for the same sample."""
        draw = uniform(self.seed, "annotator", sample_id)
        others = [label for label in self.classes if label != truth]
        if draw >= self.error or not others:
            return truth
        return others[int(draw / self.error * len(others))]  # below the error, the draw is uniform again
