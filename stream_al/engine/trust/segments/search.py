"""The search for segments in which the model errs more than in the rest, with false alarms controlled.

Among hundreds of segments the worst one always looks bad. So the cases are split in two halves, by a hash of
their ids (data splitting: Cox, Biometrika 1975):

    searched     says what the conditions are, and which segments look worst: single conditions, and pairs of
                 the best ones on different features. At most `MOST_TESTED`, of which no two are nearly alike
    confirming   tests these few, and says how large their errors are

*The test* is by permutation. If errors have nothing to do with the features, then the errors with their
weights could stand beside the features in any other order. A segment is found if its statistic
(`errors.statistics`) exceeds the largest one of all tested segments in all but `ALPHA` of `PERMUTATIONS`
orders (Westfall, Young: Resampling-Based Multiple Testing, 1993, single-step maxT). So where there is nothing
to find, *a look finds something with a probability of at most `ALPHA`*, however many segments are tested and
however they overlap. Since the statistic is divided by its own standard error, this also holds about where
the weights depend on the features and the errors do not (Janssen, Statistics & Probability Letters 1997).

The rate is that of one look. Who looks a hundred times, at other cases each time, sees a false alarm sooner
or later. And a segment that is found says where the model errs, not why.

*Bounded*, in time too: `search` yields between pieces of some milliseconds each.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.labels.evaluation import Accuracy, Estimate
from stream_al.engine.randomness import Draws, uniform
from stream_al.engine.trust.segments.conditions import Condition, conditions, features_of
from stream_al.engine.trust.segments.errors import SUMS, Floats, statistics, terms

__all__ = ["ALPHA", "Case", "Found", "Segment", "search"]

T = TypeVar("T")

Flags = NDArray[np.bool_]

ALPHA = 0.05
PERMUTATIONS = 999
FEWEST = 20  # cases of a half within a segment, and outside it
MOST_TESTED = 20
PAIRED = 24  # single conditions of which pairs are made
PROMISING = 1.0  # the statistic of the searched half from which a segment is tested
PAIR_ABOVE = 0.7  # what a pair must have more than its conditions: the simpler segment comes first
ALIKE = 0.8  # of the cases of two segments
AT_ONCE = 10  # permutations of one piece of work


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled sample.

    Args:
        id: Its id.
        features: Its features.
        wrong: Whether the prediction made before its label was wrong.
        propensity: The probability with which it was selected, in (0, 1].
    """

    id: str
    features: Mapping[str, Any]
    wrong: bool
    propensity: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment in which the model errs more than in the rest.

    Attributes:
        where: Which samples it holds, as an expression of `engine.explore.filter`.
        cases: How many cases of both halves lie within.
        error: The error within, by the confirming half.
        rest: The error outside.
        p: The share of the orders in which some tested segment looks as bad.
    """

    where: str
    cases: int
    error: Estimate
    rest: Estimate
    p: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found.

    Attributes:
        segments: The segments, the surest first.
        cases: The cases that were looked at.
        compared: The segments that were compared.
        tested: Those that were tested.
    """

    segments: list[Segment]
    cases: int
    compared: int
    tested: int


@dataclass(frozen=True, slots=True)
class _Part:
    where: str
    features: tuple[str, ...]
    holds: Flags
    t: float


def search(cases: Sequence[Case], seed: int = 0) -> Generator[None, None, Found]:
    """Search the cases; the generator returns what was found.

    Args:
        cases: The cases; the result does not depend on their order.
        seed: The application's seed.
    """
    cases = sorted(cases, key=lambda case: case.id)
    half = np.array([uniform(seed, "segments", case.id) < 0.5 for case in cases], dtype=bool)
    yield
    wrong = np.array([case.wrong for case in cases], dtype=bool)
    all_terms = terms(wrong, np.array([case.propensity for case in cases], dtype=np.float64))
    if min(half.sum(), (~half).sum()) < 2 * FEWEST or not wrong.any():
        return Found([], len(cases), 0, 0)
    singles: list[_Part] = []
    for name in features_of([case.features for case, use in zip(cases, half, strict=True) if use]):
        found = list(conditions(name, [case.features for case in cases], half))
        singles += _compared(found, half, all_terms)
        yield
    singles.sort(key=lambda part: (-part.t, part.where))
    pairs: list[_Part] = []
    for piece in _pieces(list(combinations(singles[:PAIRED], 2)), 100):
        pairs += _pairs(piece, half, all_terms)
        yield
    tested = _chosen([*singles, *pairs])
    segments: list[Segment] = []
    if tested:
        ps = yield from _tested(tested, ~half, all_terms, seed)
        shown = np.zeros(len(cases), dtype=bool)
        for p, part in sorted(zip(ps, tested, strict=True), key=lambda one: one[0]):
            # Of segments that overlap, the surest one says it.
            if p <= ALPHA and (part.holds & shown).sum() <= part.holds.sum() / 2:
                segments.append(_segment(part, p, cases, half))
                shown |= part.holds
    return Found(segments, len(cases), len(singles) + len(pairs), len(tested))


def _compared(found: Sequence[Condition], half: Flags, all_terms: Floats) -> list[_Part]:
    """The conditions that hold for enough cases of both halves, with their statistics in the searched one."""
    kept = [one for one in found if _is_large(one.holds, half)]
    ts = _statistics([one.holds for one in kept], half, all_terms)
    return [_Part(one.text, (one.feature,), one.holds, t) for one, t in zip(kept, ts, strict=True)]


def _pairs(given: Sequence[tuple[_Part, _Part]], half: Flags, all_terms: Floats) -> list[_Part]:
    both = [(one, other, one.holds & other.holds) for one, other in given if one.features != other.features]
    both = [found for found in both if _is_large(found[2], half)]
    ts = _statistics([holds for _, _, holds in both], half, all_terms)
    return [
        _Part(f"{one.where} and {other.where}", (*one.features, *other.features), holds, t)
        for (one, other, holds), t in zip(both, ts, strict=True)
        if t > max(one.t, other.t) + PAIR_ABOVE
    ]


def _is_large(holds: Flags, half: Flags) -> bool:
    return all(FEWEST <= (holds & use).sum() <= use.sum() - FEWEST for use in (half, ~half))


def _statistics(holds: Sequence[Flags], use: Flags, all_terms: Floats) -> list[float]:
    if not holds:
        return []
    used = all_terms[use]
    within = _sums(np.stack([one[use] for one in holds]).astype(np.float64), used)
    found: list[float] = statistics(within, used.sum(axis=0)).tolist()
    return found


def _chosen(parts: Sequence[_Part]) -> list[_Part]:
    """The segments to test, the worst first, without those that hold nearly the cases of one before."""
    chosen: list[_Part] = []
    for part in sorted(parts, key=lambda part: (-part.t, len(part.features), part.where)):
        if part.t < PROMISING or len(chosen) == MOST_TESTED:
            break
        alike = any(
            (part.holds & one.holds).sum() >= ALIKE * (part.holds | one.holds).sum() for one in chosen
        )
        if not alike:
            chosen.append(part)
    return chosen


def _tested(
    parts: Sequence[_Part], use: Flags, all_terms: Floats, seed: int
) -> Generator[None, None, list[float]]:
    """The adjusted p of each segment."""
    used = all_terms[use]
    members = np.stack([part.holds[use] for part in parts]).astype(np.float64)
    total = used.sum(axis=0)
    found = statistics(_sums(members, used), total)
    beaten = np.ones(len(parts))  # the order that was found is one of them
    draws = Draws(seed, "segments", len(used))
    for numbers in _pieces(range(PERMUTATIONS), AT_ONCE):
        orders = np.argsort(draws.uniform(len(numbers), len(used)), axis=1)
        shuffled = used[orders].transpose(1, 0, 2).reshape(len(used), -1)
        sums = _sums(members, shuffled).reshape(len(parts), len(numbers), SUMS)
        largest = statistics(sums, total).max(axis=0)
        beaten += (largest[None, :] >= found[:, None]).sum(axis=1)
        yield
    ps: list[float] = (beaten / (PERMUTATIONS + 1)).tolist()
    return ps


def _sums(members: Floats, of: Floats) -> Floats:
    """The product of two matrices, by one thread: those of BLAS would hold up the other work of a process."""
    found: Floats = np.einsum("sc,ck->sk", members, of)
    return found


def _segment(part: _Part, p: float, cases: Sequence[Case], half: Flags) -> Segment:
    within, outside = Accuracy(), Accuracy()  # of errors instead of right predictions
    for case, holds, searched in zip(cases, part.holds, half, strict=True):
        if not searched:
            (within if holds else outside).update(correct=case.wrong, propensity=case.propensity)
    error, rest = within.estimate(), outside.estimate()
    assert error is not None  # noqa: S101 - `_is_large` has seen to it
    assert rest is not None  # noqa: S101 - likewise
    return Segment(part.where, int(part.holds.sum()), error, rest, p)


def _pieces(given: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for begin in range(0, len(given), size):
        yield given[begin : begin + size]
