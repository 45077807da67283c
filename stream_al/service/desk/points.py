"""Points: what is gathered of each item while all of them are read, as columns of numbers.

What remains to be done at the end, such as to sort or to write ten thousand items, is then work on whole
columns. It takes milliseconds, so it needs no time slices.
"""

from __future__ import annotations

from array import array
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.budgets import Reason
from stream_al.engine.explore.projection import Plane
from stream_al.engine.samples.table import Floats
from stream_al.messages import ClassLabel, encode, label_text
from stream_al.service.desk.items import STATES, Item

__all__ = ["Found", "Points", "packed"]

STEPS = 32_000  # from the middle of the map to its edge
REASONS = [reason.value for reason in Reason]
REASON_NUMBERS = {reason: number for number, reason in enumerate(Reason)}
STATE_NUMBERS = {state: number for number, state in enumerate(STATES)}


class Found:
    """Items that are to be put in order.

    Attributes:
        items: The items, as they came.
        numbers: The number of each.
    """

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.numbers = array("q")
        self._times, self._utilities, self._ids = array("q"), array("d"), list[str]()

    def append(self, item: Item) -> None:
        """Add an item."""
        self.items.append(item)
        self.numbers.append(item.number)
        self._times.append(item.at_ms)
        self._utilities.append(item.decision.utility)
        self._ids.append(item.id)

    def order(self, sort: str) -> NDArray[np.intp]:
        """The places of the items in the order of a word of `explorer.SORTS`."""
        numbers, times = np.asarray(self.numbers, dtype=np.int64), np.asarray(self._times, dtype=np.int64)
        if sort == "utility":
            return np.lexsort((numbers, -times, -np.asarray(self._utilities)))
        if sort == "newest":
            return np.lexsort((-numbers, -times))
        ids = self._ids
        by_number = np.argsort(numbers, kind="stable").tolist()
        return np.asarray(sorted(by_number, key=ids.__getitem__), dtype=np.intp)


class Points:
    """The points of a map, without their places.

    Args:
        classes: The classes that the model knows.

    Attributes:
        items: The items.
    """

    def __init__(self, classes: Iterable[ClassLabel]) -> None:
        self.items: list[Item] = []
        self._names = {label_text(label): number for number, label in enumerate(classes)}
        self._numbers, self._utilities = array("q"), array("d")
        self._classes, self._labels = array("h"), array("h")
        self._reasons, self._states = array("B"), array("B")

    def append(self, item: Item, state: str, label: ClassLabel | None) -> None:
        """Add an item, with what has become of it."""
        self.items.append(item)
        self._numbers.append(item.number)
        self._utilities.append(item.decision.utility)
        self._classes.append(self._class_number(item.predicted))
        self._labels.append(self._class_number(None if label is None else label_text(label)))
        self._reasons.append(REASON_NUMBERS[item.decision.reason])
        self._states.append(STATE_NUMBERS[state])

    def _class_number(self, name: str | None) -> int:
        return -1 if name is None else self._names.setdefault(name, len(self._names))

    def body(self, places: Floats, shown: Plane) -> bytes:
        """The map as JSON: each array as base64 of little-endian numbers.

        Args:
            places: Where the points lie, a row each.
            shown: The plane on which they lie.
        """
        middle = (places.max(axis=0) + places.min(axis=0)) / 2 if len(places) else np.zeros(2)
        reach = float(np.abs(places - middle).max()) if len(places) else 0.0
        steps = np.rint((places - middle) * (STEPS / (reach or 1.0))).astype("<i2")
        return encode(
            {
                "count": len(self.items),
                "classes": list(self._names),
                "reasons": REASONS,
                "states": STATES,
                "steps": STEPS,
                "reach": reach,
                "share": shown.share,
                "numbers": packed(np.asarray(self._numbers).astype("<i4")),
                "x": packed(steps[:, 0]),
                "y": packed(steps[:, 1]),
                "utility": packed(_bytes(self._utilities)),
                "class": packed(np.asarray(self._classes).astype("<i2")),
                "label": packed(np.asarray(self._labels).astype("<i2")),
                "reason": packed(np.asarray(self._reasons)),
                "state": packed(np.asarray(self._states)),
            }
        )


def _bytes(utilities: array[float]) -> NDArray[np.uint8]:
    """Utilities as bytes. A query that others wrote may hold any number."""
    found: NDArray[np.uint8] = np.rint(255.0 * np.clip(np.asarray(utilities), 0.0, 1.0)).astype(np.uint8)
    return found


def packed(numbers: NDArray[Any]) -> str:
    """Numbers as base64 of their bytes."""
    return b64encode(np.ascontiguousarray(numbers).tobytes()).decode()
