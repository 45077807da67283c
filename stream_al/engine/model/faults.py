"""Faults: which features a model fails on, and what to do about them.

River raises whatever its parts raise (`TypeError: unsupported operand`), and seldom says on which feature. So
the model is tried again, on a copy, with features left out:

1. Features are left out kind by kind, the most suspicious kind first, until the model does not fail.
2. Those left out are added again one by one. The ones with which it fails are at fault.

It takes one try for each kind and at most `MOST_TRIES` more, of `MOST_TRIED` features in all. The caller
bounds how often it is done, and brings the copy: a try may change what it is made on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isfinite

from stream_al.errors import BadMessage
from stream_al.terminal import shortened

__all__ = ["advice", "features_at_fault", "features_refused", "kind_of"]

MOST_TRIES = 40
MOST_TRIED = 4000  # features of all tries
MOST_NAMED = 3
HUGE = 1e100  # the squares of larger numbers, summed, come near the largest float
KINDS = ("text", "missing value", "list", "truth value", "huge number", "number")
"""The kinds of values, the most suspicious first."""


def kind_of(value: object) -> str:
    """The kind of a value, as a noun.

    >>> kind_of("EUR"), kind_of(None), kind_of(True), kind_of(1e300), kind_of(12.5)
    ('text', 'missing value', 'truth value', 'huge number', 'number')
    """
    if isinstance(value, str):
        return "text"
    if value is None:
        return "missing value"
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number" if abs(value) <= HUGE and isfinite(value) else "huge number"
    return "list"


def features_at_fault(
    features: Mapping[str, object], works: Callable[[Mapping[str, object]], bool]
) -> tuple[str, ...]:
    """The features that a model fails on, `MOST_NAMED` at most; empty if leaving features out does not help.

    Args:
        features: Features that it fails on.
        works: Whether it does not fail on some of them.

    >>> def works(features):
    ...     return not any(isinstance(value, str) for value in features.values())
    >>> features_at_fault({"amount": 12.5, "currency": "EUR", "flag": True}, works)
    ('currency',)
    """
    rest, left_out = dict(features), list[str]()
    room = MOST_TRIED
    for kind in KINDS:
        names = [name for name, value in rest.items() if kind_of(value) == kind]
        for name in names:
            del rest[name]
        left_out += names
        if not names:
            continue
        room -= len(rest)
        if room < 0:
            return ()
        if works(rest):
            break
    else:
        return ()
    found = list[str]()
    for name in left_out[: min(MOST_TRIES, room // (len(rest) + 1))]:
        if not works({**rest, name: features[name]}):
            found.append(name)
        if len(found) == MOST_NAMED:
            break
    return tuple(found)


def features_refused(
    features: Mapping[str, object], learner: Callable[[], Callable[[Mapping[str, object]], None]]
) -> tuple[str, ...]:
    """The features that a model does not learn; empty if they cannot be found.

    Args:
        features: Those of an example that it does not learn.
        learner: Makes a copy of the model, and returns what lets the copy learn some of them.
    """
    # A lack of memory or stack is no property of the example.
    with suppress(MemoryError, RecursionError):
        learn = learner()

        def works(some: Mapping[str, object]) -> bool:
            with suppress(BadMessage):
                learn(some)
                return True
            return False

        return features_at_fault(features, works)
    return ()


def advice(definition: str, features: Mapping[str, object], at_fault: tuple[str, ...], error: str) -> str:
    """What a model fails on and what to do, in one sentence.

    Args:
        definition: The definition of the model.
        features: The features that it fails on.
        at_fault: Those of them that are at fault, as `features_at_fault` returned them.
        error: What River says.

    >>> advice("LogisticRegression()", {"currency": "EUR"}, ("currency",), "TypeError")
    "the model LogisticRegression() cannot take the text in the feature 'currency' (TypeError): encode it in \
the definition, leave it out by input.exclude, or set model.definition to auto"
    """
    name = shortened(definition, 80)
    if not at_fault:
        return (
            f"the model {name} fails on an example ({error}): set model.definition to auto, or correct the "
            "definition or the features"
        )
    kinds = " and ".join(dict.fromkeys(kind_of(features[feature]) for feature in at_fault))
    noun, it = ("feature", "it") if len(at_fault) == 1 else ("features", "them")
    return (
        f"the model {name} cannot take the {kinds} in the {noun} "
        f"{', '.join(repr(feature[:60]) for feature in at_fault)} ({error[:80]}): encode {it} in the "
        f"definition, leave {it} out by input.exclude, or set model.definition to auto"
    )
