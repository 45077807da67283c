"""The laws of the draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.randomness import uniform

IDS = [f"txn-{i}" for i in range(10_000)]


@settings(derandomize=True, deadline=None)
@given(seed=st.integers(), purpose=st.text(), sample_id=st.text(st.characters(codec=None)))
def test_a_draw_lies_in_the_unit_interval_and_repeats_itself(seed: int, purpose: str, sample_id: str) -> None:
    draw = uniform(seed, purpose, sample_id)
    assert 0.0 <= draw < 1.0
    assert draw == uniform(seed, purpose, sample_id)


@pytest.mark.parametrize("seed", [0, 1, -7, 2**70])
def test_draws_are_uniform(seed: int) -> None:
    """Chi-square over 100 cells of 10,000 ids: mean 99, deviation 14."""
    cells = np.bincount([int(uniform(seed, "position", i) * 100) for i in IDS], minlength=100)
    assert len(cells) == 100
    assert 50 < float(((cells - 100.0) ** 2 / 100.0).sum()) < 160


@pytest.mark.parametrize(
    ("one", "other"),
    [((0, "explore"), (0, "position")), ((0, "explore"), (1, "explore")), ((1, "a"), (11, "a"))],
    ids=["purposes", "seeds", "seeds that look alike"],
)
def test_draws_for_different_purposes_and_seeds_are_independent(
    one: tuple[int, str], other: tuple[int, str]
) -> None:
    a, b = (np.array([uniform(*which, i) for i in IDS]) for which in (one, other))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(len(IDS))
    quarters = np.histogram2d(a, b, bins=4, range=[[0, 1], [0, 1]])[0]
    assert float(((quarters - 625.0) ** 2 / 625.0).sum()) < 40  # mean 15, deviation 5.5


def test_neighbouring_ids_draw_independently() -> None:
    a = np.array([uniform(0, "position", i) for i in IDS])
    assert abs(np.corrcoef(a[:-1], a[1:])[0, 1]) < 4 / math.sqrt(len(IDS))


def test_the_parts_of_a_draw_are_kept_apart() -> None:
    assert uniform(1, "a", "b") != uniform(1, "ab", "")
    assert uniform(1, "1a", "b") != uniform(11, "a", "b")


def test_a_draw_is_the_same_on_every_machine_and_in_every_version() -> None:
    """A replay after an upgrade must decide as the first run did."""
    assert uniform(0, "explore", "txn-1") == 0.899658035233771
    assert uniform(0, "explore", "\ud800") == 0.45810592079703893
