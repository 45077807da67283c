"""Rare classes that the model misses, and what to write in the settings about it.

Where a class is rare, the objective `accuracy` hardly ever names it: never naming it makes the fewest errors.
And a budget of a few percent may buy so few labels of it that the model cannot know it. Both look fine in the
accuracy. So each class is looked at:

    rare     its share of the samples is below `RARE`, and below half of an equal share of all classes
    missed   its recall is below `MISSED`
    few      fewer than `FEW` of its labels were bought, of `ENOUGH` labels or more; it counts where there
             are at most `MANY` classes, since of many some always have few labels

A rare class that is missed, or of which there are few labels, makes a sentence that says what to write. So do
`ENOUGH` labels of one class alone. What helps most are known cases, imported before the stream begins, and
then an objective that does not count by frequency (`engine.model.objective`). With such an objective in force
already, labels are all that helps.

A class that looks like another one of which there are more labels, such as `Fraud` beside `fraud`, is left
out: it is a mistake of the sender, and is reported as one (`engine.labels.spelling`).

A recall that is estimated counts as missed once `FEW` labels of the class were bought: before that, the
estimate says nothing. A recall that is known from all samples counts at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from stream_al.engine.labels.class_figures import PerClass
from stream_al.engine.labels.spelling import likeness
from stream_al.engine.model.objective import ACCURACY, BALANCED, EVIDENCE
from stream_al.messages import ClassLabel, label_text
from stream_al.terminal import printable

__all__ = ["ENOUGH", "FEW", "MISSED", "RARE", "SeenClass", "advice", "forewarning", "seen_classes"]

RARE = 0.1
MISSED = 0.1
FEW = EVIDENCE  # the objective of a precision waits for as many
ENOUGH = 50
MANY = 20  # classes of which some always have few labels
NAMED = 3  # classes in one sentence
MOST_CHARACTERS = 40  # of a class in a sentence
IMPORT = "stream-al labels import"
RECIPE = "deploy/RECIPES.md, Rare classes"


@dataclass(frozen=True, slots=True)
class SeenClass:
    """What was seen of one class.

    Attributes:
        label: The class.
        share: Its share of the samples, in [0, 1].
        labels: How many labels of it were bought, or learned.
        recall: The share of its samples that are predicted as it; None if it is unknown.
    """

    label: ClassLabel
    share: float
    labels: int
    recall: float | None = None


def seen_classes(figures: PerClass, learned: Mapping[ClassLabel, int]) -> list[SeenClass]:
    """The classes of a stream, as the labels that were bought tell of them.

    Args:
        figures: The figures of each class. The weights of its labels stand for its samples
            (`engine.labels.evaluation`).
        learned: The number of examples of each class that the model has learned, imported ones too.
    """
    total = figures.weight
    found = []
    for label, one in figures.classes.items():
        estimate = one.recall.estimate() if one.labels >= FEW else None
        share = one.weight / total if total else 0.0
        labels = max(one.labels, learned.get(label, 0))
        found.append(SeenClass(label, share, labels, estimate.accuracy if estimate else None))
    return found


def advice(classes: Iterable[SeenClass], objective: str, *, bought: int | None = None) -> str | None:
    """One sentence about the rare classes that are missed: what is wrong and what to do. None if none is.

    Args:
        classes: All classes.
        objective: The objective in force.
        bought: How many labels were bought; by default the sum over the classes.

    >>> classes = [SeenClass("fine", 0.97, 96, 1.0), SeenClass("fraud", 0.03, 4, 0.0)]
    >>> print(advice(classes, "accuracy"))
    the class fraud is rare (3.00% of the samples) and the model misses it (recall 0.00%, 4 labels): \
import known cases of it with `stream-al labels import`, and set model.objective=balanced, or \
model.objective='recall of fraud at precision 0.5' (deploy/RECIPES.md, Rare classes)
    """
    seen = list(classes)
    total = sum(one.labels for one in seen) if bought is None else bought
    if len(seen) == 1 and total >= ENOUGH:
        return (
            f"all {total:,} labels are of one class, {_name(seen[0])}, so nothing can be told apart: import "
            f"known cases of another class with `{IMPORT}`, or raise budget.share ({RECIPE})"
        )
    rare = _rare_below(seen)
    enough = total >= ENOUGH and len(seen) <= MANY
    found = [one for one in seen if one.share < rare and (_missed(one) or (enough and one.labels < FEW))]
    found = _without_misspelt(found, seen)
    if not found:
        return None
    found.sort(key=lambda one: (not _missed(one), -one.share))
    return f"{_what(found)}: {_remedy(found, objective)} ({RECIPE})"


def forewarning(classes: Iterable[SeenClass], objective: str) -> str | None:
    """One sentence about the rare classes of labels that no model has learned yet; None if nothing is to do.

    Args:
        classes: All classes; the share is that of the labels.
        objective: The objective in force.

    >>> classes = [SeenClass("fine", 0.97, 97), SeenClass("fraud", 0.03, 3)]
    >>> print(forewarning(classes, "accuracy"))
    the class fraud is rare (3.00% of the labels), and a model that serves the most probable class may never \
name it: import known cases of it with `stream-al labels import`, and set model.objective=balanced, or \
model.objective='recall of fraud at precision 0.5' (deploy/RECIPES.md, Rare classes)
    """
    seen = list(classes)
    found = _without_misspelt([one for one in seen if one.share < _rare_below(seen)], seen)
    if not found or objective != ACCURACY or len(seen) > MANY or sum(one.labels for one in seen) < ENOUGH:
        return None
    found.sort(key=lambda one: -one.share)
    return (
        f"{_rare(found, 'labels')}, and a model that serves the most probable class "
        f"may never name {'it' if len(found) == 1 else 'them'}: {_remedy(found, objective)} ({RECIPE})"
    )


def _rare_below(seen: Sequence[SeenClass]) -> float:
    """The share below which a class is rare."""
    return min(RARE, 0.5 / len(seen)) if seen else 0.0


def _without_misspelt(found: Iterable[SeenClass], seen: Sequence[SeenClass]) -> list[SeenClass]:
    """Without those that are another class in another type or case: they are to be corrected."""
    usual: dict[str | Fraction, SeenClass] = {}
    for one in seen:
        look = likeness(one.label)
        if look not in usual or one.labels > usual[look].labels:
            usual[look] = one
    return [one for one in found if usual[likeness(one.label)] is one]


def _missed(one: SeenClass) -> bool:
    return one.recall is not None and one.recall < MISSED


def _what(found: Sequence[SeenClass]) -> str:
    first = found[0]
    labels = f"{first.labels:,} label{'' if first.labels == 1 else 's'}"
    state = f"few of its labels were bought ({labels})"
    if _missed(first):
        state = f"the model misses it (recall {_percent(first.recall or 0.0)}, {labels})"
    return f"{_rare(found, 'samples')} and {state}"


def _rare(found: Sequence[SeenClass], of: str) -> str:
    first = found[0]
    others = [_name(one) for one in found[1:NAMED]]
    more = len(found) - NAMED
    so = f", and so {'is' if len(found) == 2 else 'are'} {', '.join(others)}" if others else ""
    so += f" and {more:,} more" if more > 0 else ""
    return f"the class {_name(first)} is rare ({_percent(first.share)} of the {of}{so})"


def _remedy(found: Sequence[SeenClass], objective: str) -> str:
    known = f"import known cases of {'it' if len(found) == 1 else 'them'} with `{IMPORT}`"
    if objective != ACCURACY:
        precision = ", lower the precision in model.objective," if objective != BALANCED else ","
        return f"{known}{precision} or raise budget.share"
    name = _name(found[0])
    or_recall = f", or model.objective='recall of {name} at precision 0.5'"
    if name != label_text(found[0].label) or "'" in name:  # it is not shown as it has to be written
        or_recall = ""
    return f"{known}, and set model.objective=balanced{or_recall}"


def _name(one: SeenClass) -> str:
    return printable(label_text(one.label), MOST_CHARACTERS)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"
