"""The laws of every query strategy."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_al.engine.encoding import rounded
from stream_al.engine.model.digest import digest
from stream_al.engine.model.model import Model
from stream_al.engine.model.sketch import Point, points
from stream_al.engine.samples.table import sample_of
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import STRATEGIES, Candidates, Factor, Need, ScoredSample, factors, strategy
from stream_al.engine.strategies.base import HistoryFactor, ModelFactor
from stream_al.engine.strategies.history.history import History, HistoryCursor
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel

CERTAINTIES = ["entropy", "least_confidence", "margin"]
PRODUCTS = ["margin * diversity^0.5", "entropy^2*density ^ .3", " * ".join(STRATEGIES)]
every_strategy = pytest.mark.parametrize("text", [*STRATEGIES, *PRODUCTS])
every_certainty = pytest.mark.parametrize("name", CERTAINTIES)
law = settings(derandomize=True, deadline=None, max_examples=80)
slow_law = settings(law, max_examples=20)

weights = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 5e-324, 1e-300, 1e-12])
predictions = (
    st.lists(weights, min_size=2, max_size=12)
    .filter(lambda ws: sum(ws) > 1e-6)
    .map(lambda ws: [w / sum(ws) for w in ws])
)
NAMES = ("a", "b", "colour")
hostile = st.dictionaries(
    st.sampled_from([*NAMES, "unknown", "\ud800", ""]),
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70)
    | st.booleans()
    | st.text(max_size=20)
    | st.sampled_from([1e308, -1e308, 5e-324, "\ud800", " ", "word " * 300]),
    min_size=1,
    max_size=5,
)


def examples(number: int = 60) -> list[tuple[dict[str, Any], ClassLabel]]:
    """Two numbers, a text, three classes."""
    draw = random.Random(5)  # noqa: S311 -- a fixed stream
    stream: list[tuple[dict[str, Any], ClassLabel]] = []
    for i in range(number):
        kind = i % 3
        features = {"a": draw.gauss(kind, 1.0), "b": draw.gauss(-kind, 3.0), "colour": "rgb"[kind]}
        stream.append((features, f"class {kind}"))
    return stream


def definition(text: str) -> str:
    """A model that takes the examples and can serve the strategy."""
    needs = strategy(text).needs
    last = "SoftmaxRegression()" if Need.GRADIENT in needs else "GaussianNB()"
    ensemble = f"BaggingClassifier({last}, n_models=3)" if Need.MEMBERS in needs else last
    if {Need.GRADIENT, Need.MEMBERS} <= needs:
        return "Select('a', 'b') | SoftmaxRegression()"
    return f"Select('a', 'b') | {ensemble}"


def model_for(text: str, number: int = 60) -> Model:
    committee = ["Select('a') | GaussianNB()", "Select('b') | GaussianNB()"]
    model = strategy(text).model(definition(text), seed=1, committee=committee)
    for features, label in examples(number):
        model.learn(features, label)
    return model


@functools.cache
def trained(text: str) -> Model:
    return model_for(text)


def selector_of(text: str, seed: int = 0) -> Selector:
    return Selector(text, "stratified", share=0.3, exploration=0.2, seed=seed)


def history_of(text: str) -> HistoryCursor:
    """The history of a partition."""
    history = History().cursor()
    if strategy(text).uses_history:
        for number, (features, _) in enumerate(examples(20)):
            sketch = trained(text).references().sketch(features)
            history.percentile_ranks(parts_of(text, number / 20, sketch, history, pending=5))
            history.remember(sketch, selected=number % 3 == 0)
    return history


def parts_of(
    text: str, utility: float, sketch: Point, history: HistoryCursor, pending: int
) -> tuple[float, ...]:
    (values,) = strategy(text).history_utilities(points(sketch), history, pending)
    return (rounded(utility), *values)


def whole(text: str, scored: ScoredSample, history: HistoryCursor) -> float:
    """The utility of all factors."""
    if scored.sketch is None:
        return scored.utility
    parts = parts_of(text, scored.utility, scored.sketch, history, pending=9)
    return strategy(text).utility_of_ranks(history.history().cursor().percentile_ranks(parts))


# --- All of them -----------------------------------------------------------------------------------------


@every_strategy
@slow_law
@given(features=hostile)
def test_a_utility_lies_between_0_and_1_for_any_features(text: str, features: dict[str, Any]) -> None:
    """Text in place of numbers, huge numbers, missing and unknown features: a failure has a utility too."""
    scored = selector_of(text).score(trained(text), "s", features)
    if scored.failure is not None:
        assert (scored.failure.reason, scored.utility, scored.sketch) == ("model_error", 0.0, None)
    for history in (History().cursor(), history_of(text)):
        assert 0.0 <= whole(text, scored, history) <= 1.0


@every_strategy
def test_ten_thousand_features_have_a_utility(text: str) -> None:
    features: dict[str, Any] = {f"feature {i}": float(i) for i in range(10_000)} | {"a": 1.0, "b": 0.0}
    scored = selector_of(text).score(trained(text), "s", features)
    assert 0.0 <= whole(text, scored, history_of(text)) <= 1.0


@every_strategy
@pytest.mark.parametrize("number", [0, 1], ids=["no class", "one class"])
def test_a_model_that_knows_fewer_than_two_classes_gives_a_utility_of_1(text: str, number: int) -> None:
    model, features = model_for(text, number), examples()[1][0]
    probabilities = dict.fromkeys(model.classes, 1.0)
    assert selector_of(text).score(model, "s", features) == ScoredSample("s", probabilities, 1.0)


@every_strategy
def test_two_examples_are_enough_for_a_utility(text: str) -> None:
    """The state of the factors is nearly empty then."""
    scored = selector_of(text).score(model_for(text, 2), "s", examples()[5][0])
    assert 0.0 <= whole(text, scored, History().cursor()) <= 1.0


@every_strategy
def test_scoring_is_pure_and_gives_the_same_in_a_replay(text: str) -> None:
    """In any order of the samples, and in another process; the model does not change."""
    model, selector = model_for(text), selector_of(text)
    before = digest((model.classifier.river, model.classes, model.reference_set, model.committee))
    samples = [(f"s{i}", features) for i, (features, _) in enumerate(examples(20))]
    once = [selector.score(model, *sample) for sample in samples]
    again = [selector.score(model, *sample) for sample in reversed(samples)]
    assert again[::-1] == once
    assert digest((model.classifier.river, model.classes, model.reference_set, model.committee)) == before
    assert [selector_of(text).score(model_for(text), *sample) for sample in samples[:5]] == once[:5]


@every_strategy
def test_a_strategy_does_not_give_all_samples_the_same_utility(text: str) -> None:
    model, selector, history = trained(text), selector_of(text), history_of(text)
    utilities = {
        whole(text, selector.score(model, f"s{i}", f), history) for i, (f, _) in enumerate(examples())
    }
    assert len(utilities) > 1


@law
@given(utility=st.floats())
def test_the_values_of_any_factor_are_kept_in_bounds(utility: float) -> None:
    """The product keeps the law once for all factors."""
    known: dict[str, Factor] = {
        "unbounded": ModelFactor(lambda candidates: np.full(len(candidates.samples), utility)),
        "unbounded_too": HistoryFactor(lambda rows, history, pending: np.full(len(rows), utility)),
    }
    chosen = type(strategy("margin"))("unbounded^0.5 * unbounded_too^3", known)
    candidates: Any = SimpleNamespace(samples=[None])
    assert 0.0 <= chosen.utilities(candidates)[0] <= 1.0
    parts = (0.5, *chosen.history_utilities(points(bytes(16)), History().cursor(), pending=0)[0])
    assert all(0.0 <= part <= 1.0 for part in parts)
    assert 0.0 <= chosen.utility_of_ranks(History().cursor().percentile_ranks(parts)) <= 1.0


# --- Certainty -------------------------------------------------------------------------------------------


def utility(name: str, probabilities: Sequence[float], sample_id: str = "a", seed: int = 0) -> float:
    samples, labels = [sample_of(sample_id, {})], range(len(probabilities))
    candidates = Candidates(samples, labels, np.array([probabilities]), trained(name), seed)
    return float(strategy(name).utilities(candidates)[0])


@pytest.mark.parametrize("name", [*CERTAINTIES, "random"])
@law
@given(probabilities=predictions)
def test_any_probabilities_give_a_utility(name: str, probabilities: list[float]) -> None:
    assert 0.0 <= utility(name, probabilities) <= 1.0


@every_certainty
@law
@given(probabilities=predictions)
def test_certainty_has_the_lowest_utility_and_uniform_probabilities_the_highest(
    name: str, probabilities: list[float]
) -> None:
    size = len(probabilities)
    assert utility(name, [1.0] + [0.0] * (size - 1)) == 0.0
    assert utility(name, [1 / size] * size) == pytest.approx(1.0)
    assert 0.0 <= utility(name, probabilities) <= utility(name, [1 / size] * size) + 1e-9


@every_certainty
@law
@given(probabilities=predictions, order=st.randoms(use_true_random=False))
def test_the_order_of_the_classes_does_not_matter(
    name: str, probabilities: list[float], order: random.Random
) -> None:
    mixed = list(probabilities)
    order.shuffle(mixed)
    assert utility(name, mixed) == pytest.approx(utility(name, probabilities))


@every_certainty
@law
@given(one=st.floats(0, 1), other=st.floats(0, 1))
def test_for_two_classes_all_strategies_agree_which_sample_is_more_uncertain(
    name: str, one: float, other: float
) -> None:
    """The nearer to one half, the higher the utility."""
    assume(abs(abs(one - 0.5) - abs(other - 0.5)) > 1e-6)
    nearer, farther = sorted((one, other), key=lambda p: abs(p - 0.5))
    assert utility(name, [nearer, 1 - nearer]) > utility(name, [farther, 1 - farther])


def test_the_formulas_are_those_of_the_literature() -> None:
    probabilities = [0.5, 0.25, 0.25]
    assert utility("margin", probabilities) == 0.75
    assert utility("least_confidence", probabilities) == 0.75
    assert utility("entropy", probabilities) == pytest.approx(1.5 / 1.584962500721156)  # bits of log2(3)


def test_the_random_strategy_depends_on_the_sample_and_the_seed_alone() -> None:
    drawn = {utility("random", [0.5, 0.5], f"s{i}", seed) for i in range(50) for seed in range(2)}
    assert len(drawn) == 100
    assert utility("random", [0.5, 0.5], "a") == utility("random", [0.9, 0.05, 0.05], "a")


# --- Expressions -----------------------------------------------------------------------------------------


@law
@given(
    powers=st.dictionaries(
        st.sampled_from(CERTAINTIES), st.sampled_from([0.25, 1.0, 2.0]), min_size=1, max_size=3
    ),
    probabilities=predictions,
)
def test_a_product_is_the_product_of_its_factors_to_their_strengths(
    powers: dict[str, float], probabilities: list[float]
) -> None:
    text = "*".join(f"{name}^{power}" for name, power in powers.items())
    expected = 1.0
    for name, power in powers.items():
        expected *= utility(name, probabilities) ** power
    candidates = Candidates(
        [sample_of("a", {})], range(len(probabilities)), np.array([probabilities]), trained("margin")
    )
    assert strategy(text).utilities(candidates)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("margin", "margin"),
        (" margin ", "margin"),
        ("margin*diversity^0.50", "margin * diversity^0.5"),
        ("entropy ^ 2 *\tdensity^.3", "entropy^2 * density^0.3"),
        ("margin^1.0", "margin"),
        ("margin^.000000001", "margin^0.000000001"),
    ],
)
def test_an_expression_has_a_normal_form(text: str, normal: str) -> None:
    assert strategy(text).text == normal == strategy(normal).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((text, "write factors joined by") for text in ("", "*", "margin *", "margin + entropy", "margin^")),
        *((text, "write factors joined by") for text in ("margin^x", "margin^-1", "margin^1e9", "(margin)")),
        *(
            (text, "write factors joined by")
            for text in ("margin ** 2", "2 * margin", "margin^1234", "märgin")
        ),
        *((text, "strength above 0") for text in ("margin^0", "margin^0.0", "margin^11")),
        ("margin * entropy * margin", "write margin once"),
        ("telepathy * margin", "not 'telepathy'"),
    ],
)
def test_any_other_text_is_refused_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as raised:
        strategy(text)
    assert len(raised.value.mistakes) == 1
    assert "\n" not in str(raised.value)


@law
@given(st.text(max_size=40) | st.text(alphabet="margin*^.0 19\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        normal = strategy(text).text
    except Misconfigured:
        return
    assert strategy(normal).text == normal
    assert factors(normal) == factors(text)


def test_a_model_keeps_what_its_strategy_needs_and_nothing_else() -> None:
    """So a strategy that needs nothing costs nothing, and shares snapshots with others that need nothing."""
    committee = ["GaussianNB()", "HoeffdingTreeClassifier()"]
    plain = Model("GaussianNB()", seed=1)
    for text in ("margin", "entropy * random"):
        model = strategy(text).model("GaussianNB()", seed=1, committee=committee)
        assert (model.reference_set, model.committee) == (None, [])
        assert model.fingerprint == plain.fingerprint
    keeping = strategy("density").model("GaussianNB()", seed=1, committee=committee)
    assert keeping.reference_set is not None
    assert keeping.fingerprint != plain.fingerprint
    with pytest.raises(ValueError, match=r"Strategy\.model"):
        selector_of("density").score(_learned(plain), "s", {"x": 1.0})


def _learned(model: Model) -> Model:
    for number in range(4):
        model.learn({"x": float(number)}, number % 2)
    return model
