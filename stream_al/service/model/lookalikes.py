"""Look-alikes: the report on classes of the model that may be one class (`engine.labels.spelling`).

Each group of classes that look alike is reported once it appears in the model, and again when it grows. After
a start, the groups that the model has by then are reported again: what was not corrected stays a problem.
"""

from __future__ import annotations

from collections.abc import Mapping

from stream_al.engine.labels.spelling import lookalikes, shown
from stream_al.messages import ClassLabel
from stream_al.service.telemetry.problems import Kind, Problems

__all__ = ["Lookalikes"]

MOST_SHOWN = 4  # classes of a group


class Lookalikes:
    """Reports classes that look alike.

    Args:
        problems: Where they are reported.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._seen = 0
        self._reported: set[tuple[str, ...]] = set()

    def watch(self, classes: Mapping[ClassLabel, int]) -> None:
        """Look at the classes of the model, each with the number of its examples."""
        if len(classes) == self._seen:
            return
        self._seen = len(classes)
        for group in lookalikes(classes):
            names = tuple(map(shown, group))
            if names in self._reported:
                continue
            self._reported.add(names)
            counted = [f"{shown(label)} ({classes[label]:,} labels)" for label in group[:MOST_SHOWN]]
            self._problems.report(
                Kind.LOOKALIKE_CLASS,
                "lookalike_class",
                f"{' and '.join(counted)} look alike and are learned as several classes: if they are one, "
                "let all annotators send one of them, or list the classes in labels.classes",
            )
