"""The laws of the baselines."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.simulate.baselines import (
    ALL_LABELS,
    PERIODIC,
    RANDOM,
    LastLabel,
    Majority,
    affordable,
    periodic_positions,
    positions,
    random_positions,
)

shares = st.sampled_from([0.001, 0.01, 0.05, 0.07, 0.1, 1 / 3, 0.5, 0.9, 1.0])


def test_random_positions_are_unbiased() -> None:
    """Over many seeds every position is drawn equally often, by a chi-square bound at one in a thousand."""
    seeds, samples, number = 2000, 40, 8
    counts = Counter(p for seed in range(seeds) for p in random_positions(number, samples, seed))
    assert counts.total() == seeds * number
    expected = seeds * number / samples
    variance = expected * (1 - number / samples)  # of a draw without replacement
    assert sum((counts[p] - expected) ** 2 / variance for p in range(samples)) < 73.4 * 40 / 39


@given(shares, st.integers(1, 400), st.integers(0, 5))
@settings(derandomize=True, deadline=None)
def test_random_and_periodic_buy_what_the_budget_allows(share: float, samples: int, seed: int) -> None:
    number = affordable(share, samples)
    assert number <= share * samples + 1e-9 < number + 1 + 1e-9
    for baseline in (RANDOM, PERIODIC):
        bought = positions(baseline, share, samples, seed)
        assert len(bought) == number
        assert all(0 <= position < samples for position in bought)


@given(shares, st.integers(1, 400))
@settings(derandomize=True, deadline=None)
def test_periodic_never_runs_ahead_of_its_budget_nor_falls_behind(share: float, samples: int) -> None:
    bought = periodic_positions(share, samples)
    for seen in range(1, samples + 1):
        due = Fraction(str(share)) * seen
        assert sum(position < seen for position in bought) == int(due)


def test_all_labels_buys_every_label() -> None:
    assert list(positions(ALL_LABELS, 1.0, 7, seed=0)) == list(range(7))


@given(st.lists(st.sampled_from("abc"), min_size=1))
@settings(derandomize=True, deadline=None)
def test_the_simple_baselines_predict_the_last_and_the_most_frequent_label(labels: list[str]) -> None:
    last, majority = LastLabel(), Majority()
    assert last.probabilities({}) == majority.probabilities({}) == {}
    for label in labels:
        last.learn({}, label)
        majority.learn({}, label)
    assert last.probabilities({}) == {labels[-1]: 1.0}
    assert majority.probabilities({}) == pytest.approx(
        {label: labels.count(label) / len(labels) for label in set(labels)}
    )
