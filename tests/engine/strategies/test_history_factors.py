"""The laws of the factors that depend on the history."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.encoding import rounded
from stream_al.engine.model.model import Model
from stream_al.engine.model.sketch import Point, points
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies import strategy
from stream_al.engine.strategies.history.density import density
from stream_al.engine.strategies.history.diversity import diversity
from stream_al.engine.strategies.history.history import History, HistoryCursor
from stream_al.engine.strategies.history.novelty import novelty
from tests.support.clouds import clouds, folded

law = settings(derandomize=True, deadline=None, max_examples=60)


def alone(factor: Callable[..., Floats], sketch: Point, history: HistoryCursor, pending: int = 0) -> float:
    return float(factor(points(sketch), history, pending)[0])


def partition(model: Model, queried: int = 5) -> tuple[HistoryCursor, list[bytes]]:
    history, arrived = History().cursor(), list[bytes]()
    for i, (features, _) in enumerate(clouds(64, seed=6)):
        arrived.append(model.references().sketch(features))
        history.remember(arrived[-1], selected=i % queried == 0)
    return history, arrived


def test_a_sample_that_repeats_a_query_has_no_diversity() -> None:
    """Nor has one that nearly repeats it, also after the scale has changed; a new one has more than usual."""
    model = folded("diversity", "GaussianNB()", clouds())
    history, arrived = partition(model)
    asked = [features for i, (features, _) in enumerate(clouds(64, seed=6)) if i % 5 == 0]
    for features in asked:
        near = {name: value + 1e-3 for name, value in features.items()}
        assert alone(diversity, model.references().sketch(features), history) == 0.0
        assert alone(diversity, model.references().sketch(near), history) < 0.01
    new = {"x": 6.0, "y": -20.0}
    usual = sum(alone(diversity, point, history) for point in arrived) / len(arrived)
    assert alone(diversity, model.references().sketch(new), history) > usual > 0.05
    model.learn(*clouds(1, seed=7)[0])
    assert all(alone(diversity, model.references().sketch(features), history) < 0.05 for features in asked)
    history.remember(model.references().sketch(new), selected=True)
    assert alone(diversity, model.references().sketch(new), history) == 0.0


def test_a_typical_sample_has_a_higher_density_than_an_outlier() -> None:
    model = folded("density", "GaussianNB()", clouds())
    history, arrived = partition(model)
    usual = sum(alone(density, point, history) for point in arrived) / len(arrived)
    for outlier in ({"x": 30.0, "y": 0.0}, {"x": 1.0, "y": 200.0}, {"x": -20.0, "y": -90.0}):
        assert alone(density, model.references().sketch(outlier), history) < usual / 4


def test_distances_do_not_depend_on_the_units_of_the_features() -> None:
    """The factor is a power of two, so that rounding does not differ either."""
    large = [({"x": f["x"] * 1024, "y": f["y"] / 1024}, label) for f, label in clouds()]
    one, other = (folded("density", "GaussianNB()", stream) for stream in (clouds(), large))
    sketches = [[m.references().sketch(f) for f, _ in s] for m, s in ((one, clouds()), (other, large))]
    assert sketches[0] == sketches[1]


@law
@given(
    st.binary(max_size=64 * 16).map(lambda b: b[: len(b) // 16 * 16]),
    st.binary(min_size=16, max_size=16),
    st.booleans(),
)
def test_any_history_gives_a_utility(samples: bytes, sketch: bytes, asked: bool) -> None:
    history = History(samples, samples[: 32 * 16] if asked else b"").cursor()
    assert 0.0 <= alone(diversity, sketch, history) <= 1.0
    assert 0.0 <= alone(density, sketch, history) <= 1.0 + 1e-12
    assert 0.0 <= alone(novelty, sketch, history, 7) <= 1.0
    history.remember(sketch, selected=True)
    assert alone(diversity, sketch, history) == 0.0
    assert alone(novelty, sketch, history, 1) == 0.0


def test_only_pending_queries_lower_the_novelty() -> None:
    """The model knows the labels that have come, and does not know the pending ones."""
    model = folded("novelty", "GaussianNB()", clouds())
    history, arrived = partition(model)
    asked = [point for i, point in enumerate(arrived) if i % 5 == 0]
    for age, point in enumerate(reversed(asked), 1):
        assert alone(novelty, point, history, pending=age) == 0.0
        older = [p for p in asked[-age + 1 :] if p == point] if age > 1 else []
        assert alone(novelty, point, history, pending=age - 1) > 0.0 or older
    assert {alone(novelty, point, history, pending=0) for point in arrived} == {1.0}


def test_no_factor_outweighs_another_among_ranks() -> None:
    """In a plain product, margins that span orders of magnitude would hide novelty."""
    chosen = strategy("margin * novelty")
    here, there = bytes(16), bytes([90] * 16)
    history = History().cursor()
    for power in range(40):
        history.percentile_ranks((rounded(10.0**-power), power % 2))
        history.remember(there if power % 2 else here, selected=False)
    history.percentile_ranks((0.5, 1.0))
    history.remember(here, selected=True)
    repeated, new = (
        (rounded(margin), *chosen.history_utilities(points(p), history, 1)[0])
        for margin, p in ((1e-3, here), (1e-5, there))
    )
    assert repeated[0] * repeated[1] <= new[0] * new[1] or repeated[0] > new[0]
    ranks = [history.history().cursor().percentile_ranks(parts) for parts in (new, repeated)]
    assert chosen.utility_of_ranks(ranks[0]) > chosen.utility_of_ranks(ranks[1])
