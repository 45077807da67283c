"""The arms of the comparison, and what is measured in a run of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from cleanlab.rank import get_label_quality_scores

from stream_al.engine.labels.judge import same_label
from stream_al.engine.model.limits import Limits
from stream_al.engine.randomness import uniform
from stream_al.engine.trust.again import Candidate, Wanted, urgency
from stream_al.engine.trust.items import EXPLORED
from stream_al.engine.trust.opinions import class_key
from stream_al.engine.trust.thresholds import self_confidence
from stream_al.messages import ClassLabel, Example
from stream_al.simulate.cases import ONE_LABEL, Case, Terms, play
from stream_al.simulate.people.second_labels import SecondLabels, audit
from stream_al.simulate.stream import Stream

__all__ = ["ARMS", "NONE", "OURS", "Arm", "Order", "measured"]

BUDGET = 0.1
SUSPICIOUS = 0.3  # a label of a lower probability counts as suspicious
TERMS = Terms(exploration=0.1, most_pending=10_000, limits=Limits(100))

Order = Callable[[Candidate], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to buy labels.

    Attributes:
        name: Its name.
        wanted: How many labels are wanted of a sample.
        order: Which samples are asked about again.
        right: Whether all annotators are always right.
    """

    name: str
    wanted: Wanted = ONE_LABEL
    order: Order = urgency
    right: bool = False


def _confidence(one: Candidate) -> float:
    given = one.item.opinions
    return self_confidence(given.labels[0].label, given.probabilities)


TENTH = Wanted(second_share=0.1)
NONE, OURS = "no second labels", "second_share 0.1"
ARMS: Sequence[Arm] = (
    Arm(NONE),
    Arm(OURS, TENTH),
    Arm("second_share 0.2", Wanted(second_share=0.2)),
    Arm("per_query 2", Wanted(per_query=2)),
    Arm("right labels", right=True),
    Arm("0.1, explored first", TENTH, lambda one: (not one.item.explored, one.score)),
    Arm("0.1, suspicious first", TENTH, lambda one: (_confidence(one) >= SUSPICIOUS, not one.item.explored)),
    Arm("0.1, lowest self-confidence", TENTH, lambda one: (_confidence(one),)),
    Arm("0.1, at random", TENTH, lambda one: (uniform(0, "order", one.item.id),)),
)


def measured(
    arm: Arm, stream: Stream, model: str, seed: int, annotators: int, error: float
) -> dict[str, float]:
    """Play one run; return its figures.

    Args:
        arm: How to buy labels.
        stream: The stream.
        model: The definition of the model.
        seed: The seed of the run.
        annotators: How many there are.
        error: The share of their labels that is wrong.
    """
    share = 0.0 if arm.right else error
    crew = "; ".join(f"annotator {n}: error={share}" for n in range(annotators))
    case = Case("margin", "stratified", model, BUDGET, "0", 0.0, seed, crew, arm.wanted)
    log = partial(SecondLabels, order=arm.order, accepted=True)
    done, labels = play(case, stream, TERMS, second_labels=log)
    assert labels is not None

    def truth(name: str) -> ClassLabel:
        return stream.rows[int(name) - 1].label

    right = [
        predicted is not None and same_label(predicted, row.label)
        for predicted, row in zip(done.predicted, stream.rows, strict=True)
    ]
    found = audit(labels, truth)
    first = [one for one in labels.log if one.second_of is None and not one.corrects]
    wrong = np.array([not same_label(one.label, truth(one.id)) for one in first])
    return {
        "accuracy": float(np.mean(right)),
        **asdict(found),
        "cleanlab_as_many": _listed(first, wrong, found.contradicted),
        "cleanlab_as_dear": _listed(first, wrong, found.second),
        **_suspects(labels, truth),
        **_areas(first, wrong),
    }


def _listed(first: Sequence[Example], wrong: npt.NDArray[np.bool_], number: int) -> int:
    """How many wrong labels are among so many with the lowest score by Cleanlab."""
    return int(wrong[np.argsort(_scores(first), kind="stable")[:number]].sum())


def _scores(first: Sequence[Example]) -> npt.NDArray[np.float64]:
    """Cleanlab's score of each label; labels without a prediction get 1."""
    said = [_said(one) for one in first]
    keys = sorted({key for one in said for key in one} | {class_key(one.label, {}) for one in first})
    scores = np.ones(len(first))
    known = [place for place, one in enumerate(said) if len(one) > 1]
    if known:
        labels = np.array([keys.index(class_key(first[place].label, said[place])) for place in known])
        rows = np.array([[said[place].get(key, 0.0) for key in keys] for place in known])
        scores[known] = get_label_quality_scores(labels, rows, method="self_confidence")
    return scores


def _said(one: Example) -> Mapping[str, float]:
    return one.prediction.probabilities if one.prediction is not None else {}


def _suspects(labels: SecondLabels, truth: Callable[[str], ClassLabel]) -> dict[str, int]:
    """The labels that the model makes suspicious, by kind, as they are listed at the end."""
    trust = labels.learner.trust
    kinds = {"explored": trust.suspicious, "doubted": trust.suspicious_of_doubted}
    listed = {f"listed_{kind}": len(found) for kind, found in kinds.items()}
    wrong = {
        f"listed_{kind}_wrong": sum(not same_label(one.label, truth(one.id)) for one in found)
        for kind, found in kinds.items()
    }
    return listed | wrong


def _areas(first: Sequence[Example], wrong: npt.NDArray[np.bool_]) -> dict[str, float]:
    """The area under the curve of the scores, by kind of label; NaN without a wrong or a right label."""
    scores, explored = _scores(first), np.array([one.reason in EXPLORED for one in first])
    return {
        f"area_{kind}": _area(scores[place], wrong[place])
        for kind, place in (("explored", explored), ("doubted", ~explored))
    }


def _area(scores: npt.NDArray[np.float64], wrong: npt.NDArray[np.bool_]) -> float:
    low, high = scores[wrong], scores[~wrong]
    if not low.size or not high.size:
        return float("nan")
    return float(np.mean((low[:, None] < high) + 0.5 * (low[:, None] == high)))
