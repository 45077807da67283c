"""Suspects: the labels that look wrong, each with the reason and with the kind of labels that it is about.

Second labels come first, since they need no model: they contradict a label, or leave it disputed. Then come
labels of samples drawn at random that the model contradicts, the least probable first. Labels that were
bought because the model doubted come last: among them the model's scores hardly tell a wrong label from a
hard sample (`engine.trust.thresholds`), so they are marked as weak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from stream_al.engine.trust.items import Item
from stream_al.engine.trust.trust import Suspicion, Trust
from stream_al.messages import ClassLabel

__all__ = ["ABOUT", "Kind", "Suspect", "disputes", "suspects"]


class Kind(StrEnum):
    """Which labels a suspicion is about."""

    SECOND = "second labels"
    RANDOM = "drawn at random"
    DOUBTED = "bought in doubt"


ABOUT = {
    Kind.SECOND: "Samples with labels of several annotators: the labels themselves contradict each other.",
    Kind.RANDOM: "Samples drawn at random: before the model learned the label, it was as sure of another "
    "class as it usually is of that class where it is right.",
    Kind.DOUBTED: "Samples that were bought because the model doubted. Weak: among these, a hard sample "
    "looks like a wrong label. Ask another annotator before you change anything.",
}
"""What each kind means."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that looks wrong.

    Attributes:
        id: The id of the sample's first query.
        offset: The offset of its first example.
        label: The label that counts.
        annotator: Who gave it; None if that is unknown.
        other: The label that speaks against it; None where that is open.
        kind: Which labels the suspicion is about.
        why: Why, in one sentence.
        score: How well founded the label is by what speaks against it, from 0 to 1; the lowest is the worst.
    """

    id: str
    offset: int
    label: ClassLabel
    annotator: str | None
    other: ClassLabel | None
    kind: Kind
    why: str
    score: float


def disputes(trust: Trust) -> list[Item]:
    """The samples whose labels disagree without a majority, the newest first."""
    several = reversed(trust.items.several.values())
    return [item for item in several if item.opinions.disputed and not item.settled]


def suspects(trust: Trust) -> Iterator[Suspect]:
    """The suspects, the best founded first."""
    yield from sorted(_contradicted(trust), key=lambda one: one.score)
    for item in disputes(trust):
        first, number = item.opinions.labels[0], len(item.opinions.labels)
        why = f"its {number} labels disagree, and none has more of them than the others"
        yield Suspect(item.id, item.offset, first.label, first.annotator, None, Kind.SECOND, why, 0.5)
    yield from _by_the_model(trust, trust.suspicious, Kind.RANDOM)
    yield from _by_the_model(trust, trust.suspicious_of_doubted, Kind.DOUBTED)


def _contradicted(trust: Trust) -> Iterator[Suspect]:
    for one in trust.proposals():
        item = trust.items.several[one.id]
        if not item.opinions.disputed:
            why = f"{one.labels} annotators labelled the sample, and their consensus is another class"
            who = item.opinions.labels[0].annotator
            yield Suspect(
                one.id, one.offset, one.label, who, one.consensus, Kind.SECOND, why, 1.0 - one.posterior
            )


def _by_the_model(trust: Trust, found: Iterable[Suspicion], kind: Kind) -> Iterator[Suspect]:
    for one in sorted(found, key=lambda one: one.margin):
        if one.id in trust.items.several:  # the labels themselves say more
            continue
        why = f"the model gave this class a probability of {one.self_confidence:.2f} before it learned it"
        yield Suspect(
            one.id, one.offset, one.label, one.annotator, one.predicted, kind, why, one.self_confidence
        )
