"""Where the model fails: segments with an error above the rest, and no false alarms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.engine.explore.filter import parse
from stream_al.engine.steps import finished
from stream_al.engine.trust.segments.conditions import conditions, features_of
from stream_al.engine.trust.segments.errors import statistics, terms
from stream_al.engine.trust.segments.search import ALPHA, Case, search

LOOKS = 300


def stream(seed: int, cases: int, planted: float = 0.0, *, doubted: bool = True) -> list[Case]:
    """Cases whose errors depend on nothing but the planted segment, `country = b and amount > 0.5`.

    Their propensities depend on a feature if they are doubted.
    """
    rng, made = np.random.default_rng(seed), []
    for number in range(cases):
        features: dict[str, Any] = {
            "amount": float(rng.random()),
            "age": float(rng.normal()),
            "country": str(rng.choice(list("abcd"))),
            "vip": bool(rng.random() < 0.3),
            "visits": int(rng.integers(4)),
        }
        inside = features["country"] == "b" and features["amount"] > 0.5
        propensity = 0.1 if doubted and features["amount"] < 0.4 else 0.8
        wrong = bool(rng.random() < 0.15 + planted * inside)
        made.append(Case(f"s{number}", features, wrong, propensity))
    return made


def test_a_planted_segment_is_found_with_an_interval_that_holds_its_error() -> None:
    cases = stream(1, 2500, planted=0.4)
    found = finished(search(cases))
    inside = parse("country = b and amount > 0.5")
    (best, *_) = found.segments
    held = parse(best.where)
    shares = [inside(case.features) for case in cases if held(case.features)]
    assert sum(shares) / len(shares) > 0.9
    assert best.cases == len(shares)
    assert best.error.low < 0.55 < best.error.high
    assert best.rest.high < best.error.low


def test_the_order_of_the_cases_and_the_moment_change_nothing() -> None:
    cases = stream(2, 900, planted=0.5)
    assert finished(search(cases)) == finished(search(cases[::-1]))


def test_few_cases_or_no_errors_say_nothing() -> None:
    assert finished(search([])).segments == []
    assert finished(search(stream(3, 30))).segments == []
    right = [Case(one.id, one.features, False, one.propensity) for one in stream(3, 300)]
    assert finished(search(right)).segments == []


@pytest.mark.long
def test_where_there_is_nothing_to_find_looks_find_something_no_more_often_than_stated() -> None:
    """The bound is the 99.9% quantile of as many looks with a rate of ALPHA each."""
    alarms = sum(bool(finished(search(stream(seed, 500), seed)).segments) for seed in range(LOOKS))
    assert alarms <= LOOKS * ALPHA + 3.1 * (LOOKS * ALPHA * (1 - ALPHA)) ** 0.5


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-5, 5),
    st.sampled_from([2**53, 2**53 + 1, f"{2**53 + 1}", 10**400]),
    st.sampled_from(["NL", "nl", "b e", "it's", "1", "2.5", "and", "x" * 101, "'\"", "", "nan"]),
)
rows = st.lists(
    st.fixed_dictionaries({}, optional={name: values for name in ("a", "b c", "in", "@id", "'\"", "q'")}),  # noqa: C420
    min_size=1,
    max_size=60,
)


@given(rows)
def test_a_segment_holds_the_samples_that_its_expression_finds(given_rows: list[dict[str, Any]]) -> None:
    searched = np.arange(len(given_rows)) % 2 == 0
    for name in features_of(given_rows):
        for one in conditions(name, given_rows, searched):
            assert one.holds.tolist() == [parse(one.text)(row) for row in given_rows], one.text


def test_a_range_holds_the_samples_that_its_expression_finds() -> None:
    numbers: list[dict[str, Any]] = [{"n": number} for number in range(30)]
    for more, ranges in (([{"n": "7"}, {}], 4), ([{"n": "x"}], 0)):
        rows: list[dict[str, Any]] = [*numbers, *more]
        found = list(conditions("n", rows, np.ones(len(rows), dtype=bool)))
        assert sum(" and " in one.text for one in found) == ranges
        for one in found:
            assert one.holds.tolist() == [parse(one.text)(row) for row in rows], one.text


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(1e-12, 1)), min_size=2, max_size=30))
def test_the_statistic_is_finite_and_has_the_sign_of_the_difference(
    given_cases: list[tuple[bool, bool, float]],
) -> None:
    holds, wrong, propensity = (np.array(column) for column in zip(*given_cases, strict=True))
    each = terms(wrong, propensity)
    (t,) = statistics(each[None, holds].sum(axis=1), each.sum(axis=0))
    assert np.isfinite(t)
    if holds.any() and not holds.all() and not (wrong & ~holds).any():
        assert t >= 0
