"""Explanations: why a sample was chosen or not, in one sentence for people."""

from __future__ import annotations

from collections.abc import Mapping

from stream_al.engine.budgets.base import Decision, Reason
from stream_al.messages import ClassLabel, class_names

__all__ = ["why"]


def why(decision: Decision, probabilities: Mapping[ClassLabel, float], failure: str | None = None) -> str:
    r"""Why a sample was chosen or not.

    Args:
        decision: The decision about it.
        probabilities: What the model said of it; empty without a prediction.
        failure: Why the model failed on it; None if it did not.

    >>> below = Decision("a", False, 0.2, 0.5, 0.1, Reason.BELOW)
    >>> why(below, {})
    'Not chosen: the model had no prediction for it, and its utility of 0.20 is below the threshold of 0.50.'
    """
    opinion = _opinion(probabilities, failure)
    utility, threshold = (
        f"its utility of {decision.utility:.2f}",
        f"the threshold of {decision.threshold:.2f}",
    )
    below = f"{utility} is below {threshold}"
    if decision.utility >= decision.threshold:
        below = f"{utility} is not below {threshold}, but the label went to a sample drawn at random"
    at_random = "whatever its utility, so that the accuracy over the whole stream can be estimated"
    return {
        Reason.UNCERTAIN: f"Chosen: {opinion}, and {utility} reached {threshold}.",
        Reason.EXPLORE: f"Chosen at random, {at_random}; {opinion}.",
        Reason.WARMUP: "Chosen at random, since the model knew fewer than two classes.",
        Reason.MANUAL: f"Chosen because a person asked for its label; {opinion}.",
        Reason.BELOW: f"Not chosen: {opinion}, and {below}.",
        Reason.SPENT: f"Not chosen: the label of this part of the stream was bought already; {opinion}.",
        Reason.CAPPED: f"Not chosen: a cap on labels or on pending queries left no room; {opinion}.",
        Reason.DISPLACED: f"Not chosen: a sample that a person asked for took its place; {opinion}.",
    }[decision.reason]


def _opinion(probabilities: Mapping[ClassLabel, float], failure: str | None) -> str:
    """What the model says of the sample, as a clause."""
    if failure is not None:
        return "the model failed on it"
    if not probabilities:
        return "the model had no prediction for it"
    names = class_names(*probabilities)
    ranked = sorted(zip(probabilities.values(), names, strict=True), key=lambda pair: -pair[0])
    (best, name), rest = ranked[0], ranked[1:]
    if not rest:
        return f"the model knows only the class {_short(name)}"
    second, other = rest[0]
    hardly = "hardly more" if best - second < CLOSE else "more"
    if best == second:
        return f"{_short(name)} and {_short(other)} are equally probable ({best:.0%})"
    return f"{_short(name)} ({best:.0%}) is {hardly} probable than {_short(other)} ({second:.0%})"


CLOSE = 0.2  # a difference of probabilities that a person calls small


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"
