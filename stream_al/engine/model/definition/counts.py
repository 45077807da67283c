"""Counts: how large a number may be that a model's expression gives to a class.

One number of an expression can ask for any amount of memory or work: `n_models=3000000` copies its model
three million times before the first example. So every number in an expression has a limit, and so have the
products:

    the number of any argument       MOST, or the class's own default where that is larger
    exponents (a tree's height)      EXPONENTS, because memory or work grows as 2^n or as features^n
    errors of a sketch               SMALLEST, because its memory grows as 1/error or 1/error^2
    members, over all levels         MOST_MEMBERS: BaggingClassifier(ARFClassifier(n_models=50), 40) has 2,000
    the fresh model, pickled         MOST_BYTES

The numbers are found by the signature of each class, so a new class of River is bounded too. `seed`
multiplies nothing and has no limit. A factory is code of the user's own, and has none of these limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import BoundArguments
from typing import Any

from river import base

__all__ = ["EXPONENTS", "MEMBERS", "MOST", "MOST_BYTES", "MOST_MEMBERS", "SMALLEST", "Counts"]

MOST = 10_000
MOST_MEMBERS = 1000
MOST_BYTES = 16 * 1024 * 1024
EXPONENTS = {"degree": 5, "height": 10, "code_size": 20}
SMALLEST = {"error_rate": 0.001, "fp_rate": 1e-6}
MEMBERS = frozenset({"n_models", "n_estimators", "n_trees", "code_size"})
"""Arguments that say how many members an ensemble has, or how many copies it makes of its model."""

_FREE = frozenset({"seed"})


_LEARNERS = (base.Classifier, base.Regressor, base.Clusterer, base.AnomalyDetector)


class Counts:
    """The numbers of one expression, and how many members each of its parts has.

    >>> import inspect
    >>> from river.ensemble import BaggingClassifier
    >>> given = inspect.signature(BaggingClassifier).bind(None, n_models=3_000_000)
    >>> Counts().problem_with(BaggingClassifier, given)
    'n_models is 3000000 and may be 10000 at most'
    """

    def __init__(self) -> None:
        self._members: dict[int, int] = {}  # by the identity of what was built
        self._built: list[object] = []  # so that no identity is used twice

    def problem_with(self, cls: type, given: BoundArguments) -> str | None:
        """Say which argument of a call is beyond its limit, before anything is built; None if none is.

        Args:
            cls: The class that is called.
            given: The arguments that the expression wrote, without the defaults of the class.
        """
        for name, value in given.arguments.items():
            if name in _FREE:
                continue
            sizes = _sizes(value)
            default = given.signature.parameters[name].default
            most = EXPONENTS.get(name, max([MOST, *_sizes(default)]))
            if beyond := [size for size in sizes if not size <= most]:  # NaN is beyond as well
                return f"{name} is {_shown(beyond[0])} and may be {most} at most"
            least = SMALLEST.get(name, 0)
            if below := [size for size in sizes if size < least]:
                return f"{name} is {_shown(below[0])} and may be {least:g} at least"
        number = self._of(cls, given)
        if number > MOST_MEMBERS:
            return f"it would have {_shown(number)} members in all and may have {MOST_MEMBERS} at most"
        return None

    def note(self, cls: type, given: BoundArguments, built: Any) -> Any:
        """Keep in mind how many members this has; it is returned."""
        return self._note(built, self._of(cls, given))

    def joined(self, built: Any, *steps: object) -> Any:
        """Keep in mind that this has the members of all its steps; it is returned."""
        return self._note(built, sum(self._members.get(id(step), 0) for step in steps))

    def _note(self, built: Any, number: int) -> Any:
        self._built.append(built)
        self._members[id(built)] = number
        return built

    def _of(self, cls: type, given: BoundArguments) -> int:
        full = given.signature.bind(*given.args, **given.kwargs)
        full.apply_defaults()
        number = sum(self._members.get(id(part), 0) for part in _parts([*full.arguments.values()]))
        if issubclass(cls, _LEARNERS):
            number = max(1, number)
        for name in MEMBERS & full.arguments.keys():
            if isinstance(full.arguments[name], int):
                number *= max(1, full.arguments[name])
        return number


def _sizes(value: object) -> list[float]:
    """The magnitudes of all numbers in an argument."""
    return [
        abs(part) for part in _parts(value) if isinstance(part, int | float) and not isinstance(part, bool)
    ]


def _parts(value: object) -> Iterable[Any]:
    if isinstance(value, base.Base):  # some are sequences or mappings of their own parts
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _parts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _parts(inner)
    else:
        yield value


def _shown(number: float) -> str:
    return str(number) if number < 10**20 else "beyond 10^20"
