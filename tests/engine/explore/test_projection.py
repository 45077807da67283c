"""The laws of the map: what a plane is, and what vectors are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.explore.projection import Moments, Plane, plane
from stream_al.engine.explore.vectors import WIDTH, Scale, vectors
from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import Floats, Sample, sample_of

law = settings(derandomize=True, deadline=None, max_examples=30)
MODELS = ["auto", "HoeffdingTreeClassifier()"]


def cloud(seed: int, number: int = 200, width: int = 6) -> Floats:
    """Vectors that vary more in their first components than in their last ones, along turned axes."""
    draw = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(draw.normal(size=(width, width)))
    found: Floats = draw.normal(size=(number, width)) * np.arange(width, 0, -1) @ turned + 3.0
    return found


def plane_of(*blocks: Floats, before: Plane | None = None) -> Plane:
    moments = Moments(blocks[0].shape[1])
    for block in blocks:
        moments.add(block)
    return plane(moments, before)


@law
@given(st.integers(0, 10_000), st.lists(st.integers(0, 200), max_size=6))
def test_the_plane_depends_neither_on_blocks_nor_on_their_order(seed: int, cuts: list[int]) -> None:
    given_all = cloud(seed)
    whole = plane_of(given_all)
    blocks = np.split(given_all, sorted(cuts))
    for some in (blocks, blocks[::-1]):
        parts = plane_of(*some)
        np.testing.assert_allclose(parts.axes, whole.axes, atol=1e-6)
        np.testing.assert_allclose(parts.place(given_all), whole.place(given_all), atol=1e-5)


@law
@given(st.integers(0, 10_000))
def test_no_other_plane_shows_more_of_the_variance(seed: int) -> None:
    given_all = cloud(seed)
    shown = plane_of(given_all).place(given_all).var(axis=0).sum()
    draw = np.random.default_rng(seed + 1)
    for _ in range(20):
        other, _ = np.linalg.qr(draw.normal(size=(6, 2)))
        assert ((given_all - given_all.mean(axis=0)) @ other).var(axis=0).sum() <= shown + 1e-9
    assert shown / given_all.var(axis=0).sum() == pytest.approx(plane_of(given_all).share)


@law
@given(st.integers(0, 10_000), st.floats(0, 6.28), st.booleans())
def test_a_map_that_is_made_again_does_not_turn(seed: int, angle: float, mirrored: bool) -> None:
    """However the plane before it was turned or mirrored, the points stay where they were."""
    given_all = cloud(seed)
    first = plane_of(given_all)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    before = Plane(first.mean, first.axes @ turn * ([1.0, -1.0] if mirrored else 1.0), first.share)
    np.testing.assert_allclose(plane_of(given_all, before=before).axes, before.axes, atol=1e-6)


def test_the_place_of_a_point_does_not_depend_on_the_others() -> None:
    given_all = cloud(3)
    shown = plane_of(given_all)
    places = shown.place(given_all)
    assert all((shown.place(given_all[n : n + 1])[0] == places[n]).all() for n in range(len(given_all)))


@pytest.mark.parametrize("given_all", [np.zeros((0, 4)), np.ones((5, 4)), np.eye(4)[:1], np.zeros((3, 1))])
def test_vectors_that_do_not_vary_lie_in_the_middle(given_all: Floats) -> None:
    shown = plane_of(given_all)
    assert np.isfinite(shown.place(given_all)).all()
    np.testing.assert_allclose(shown.place(given_all), 0.0, atol=1e-9)
    assert shown.share == 0.0


def mixed(number: int) -> Sample:
    draw = np.random.default_rng(number)
    features = {
        "amount": float(draw.normal()),
        "country": str(draw.choice(["NL", "BE", "DE"])),
        "note": " ".join(draw.choice(["late", "refund", "gift", "new", "card"], 4)),
        "odd": [None, 1e308, -1e308, True, "1"][number % 5],
    }
    return sample_of(str(number), {name: value for name, value in features.items() if value is not None})


@pytest.mark.parametrize("definition", MODELS)
def test_vectors_are_bounded_and_alone_as_among_others(definition: str) -> None:
    samples = [mixed(number) for number in range(60)]
    model = Model(definition, seed=0)
    for number, one in enumerate(samples[:40]):
        model.learn({k: v for k, v in one.features.items() if k != "odd"}, "up" if number % 2 else "down")
    scale = Scale()
    scale.add(samples)
    found = vectors(model, samples, scale.found())
    assert found.shape == (60, WIDTH)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e4
    assert len(np.unique(found, axis=0)) > 30
    for place, one in enumerate(samples):
        np.testing.assert_allclose(vectors(model, [one], scale.found())[0], found[place], atol=1e-9)


def test_many_columns_keep_the_width_and_about_the_distances() -> None:
    model, draw = Model("auto", seed=0), np.random.default_rng(0)
    wide = [
        sample_of(str(n), {f"f{k}": float(v) for k, v in enumerate(draw.normal(size=300))}) for n in range(60)
    ]
    for number, one in enumerate(wide):
        model.learn(one.features, "up" if number % 2 else "down")
    found = vectors(model, wide, {})
    assert found.shape == (60, WIDTH)
    gaps = np.linalg.norm(found[1:] - found[:1], axis=1)
    assert gaps.mean() == pytest.approx(np.sqrt(2 * 300), rel=0.2)
