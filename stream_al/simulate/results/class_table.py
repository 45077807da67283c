"""The table of the rarest classes: what the best setting has done for each, and labels bought at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stream_al.messages import label_text
from stream_al.simulate.class_scores import ClassScore, mean_scores
from stream_al.terminal import printable

__all__ = ["CLASS_HEADINGS", "MOST", "class_rows"]

CLASS_HEADINGS = ("class", "samples", "labels bought by", "labels", "recall (95%)", "precision (95%)")
MOST = 5  # classes; the rest are in the output of --json
MOST_CHARACTERS = 20  # of a class


def class_rows(
    ways: Sequence[tuple[str, Sequence[Sequence[ClassScore]]]], most: int = MOST
) -> Iterator[tuple[str, ...]]:
    """The rows of the table, one for each class and way of buying labels, the rarest class first.

    Args:
        ways: The name of each way of buying labels, and the scores of each of its runs.
        most: The most classes.

    >>> scores = [ClassScore("spam", 10, 3, 0.5, 0.25, 20)]
    >>> list(class_rows([("margin", [scores])]))
    [('spam', '10', 'margin', '3', '50.0% (24 to 76)', '25.0% (11 to 47)')]
    """
    means = [(name, mean_scores(runs)[:most]) for name, runs in ways]
    for place, first in enumerate(means[0][1]):
        head: tuple[str, ...] = (_name(first), f"{first.samples:,}")
        for name, scores in means:
            yield (*head, name, *_cells(scores[place]))
            head = ("", "")


def _cells(score: ClassScore) -> tuple[str, ...]:
    precise = score.precision_interval
    return (
        f"{score.labels:,}",
        _share(score.recall, score.recall_interval),
        _share(score.precision, precise) if precise else "none",
    )


def _share(share: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * share:.1f}% ({100 * low:.0f} to {100 * high:.0f})"


def _name(score: ClassScore) -> str:
    return printable(label_text(score.label), MOST_CHARACTERS)
