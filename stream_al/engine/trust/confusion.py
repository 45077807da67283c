"""The confusion matrix: how often each class was predicted for the samples of each class.

It counts labels that were bought, and estimates the whole stream by their weights 1 / propensity (see
`engine.labels.evaluation`). *Bounded:* the first `MOST` classes have cells of their own, and all further ones
are counted together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_al.messages import ClassLabel

__all__ = ["MOST", "Cell", "Confusion"]

MOST = 50


@dataclass(slots=True)
class Cell:
    """The samples of one class for which one class was predicted: labels bought, and arrivals estimated."""

    labels: int = 0
    arrivals: float = 0.0


@dataclass(slots=True)
class Confusion:
    """The cells, by label and prediction; None stands for all further classes, and for no prediction.

    >>> confusion = Confusion()
    >>> confusion.add("spam", "ham", propensity=0.5)
    >>> confusion.cells
    {('spam', 'ham'): Cell(labels=1, arrivals=2.0)}
    """

    classes: dict[ClassLabel, None] = field(default_factory=dict)
    cells: dict[tuple[ClassLabel | None, ClassLabel | None], Cell] = field(default_factory=dict)

    def add(self, label: ClassLabel, predicted: ClassLabel | None, *, propensity: float) -> None:
        """Count a label that was bought."""
        cell = self.cells.setdefault((self._class(label), self._class(predicted)), Cell())
        cell.labels += 1
        cell.arrivals += 1.0 / propensity

    def _class(self, label: ClassLabel | None) -> ClassLabel | None:
        if label is not None and label not in self.classes and len(self.classes) < MOST:
            self.classes[label] = None
        return label if label in self.classes else None
