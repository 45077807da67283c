"""A model meets a bounded number of names, whatever the examples bring, and the rest of each is learned."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import naive_bayes

from stream_al.engine.model.introspection import parts
from stream_al.engine.model.limits import Limits
from stream_al.engine.model.model import Model
from stream_al.engine.samples.known_features import KnownFeatures

examples = st.lists(
    st.tuples(st.dictionaries(st.text(max_size=2), st.integers(), max_size=6), st.sampled_from("abcde")),
    max_size=20,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(examples, st.integers(1, 8), st.integers(1, 12))
def test_no_more_names_and_pairs_are_admitted_than_allowed(
    given_: list[tuple[dict[str, int], str]], max_names: int, max_pairs: int
) -> None:
    known, met = KnownFeatures(max_names, max_pairs), set[tuple[str, str]]()
    for place, (features, label) in enumerate(given_, start=1):
        kept = known.admitted(features, label)
        assert kept.items() <= features.items()
        most = min(max_names, max_pairs // len({label for _, label in given_[:place]}))
        assert len(kept) <= max(most, 0), "no record takes longer than allowed"
        if len(features) <= most:
            assert {name for name in features if (label, name) in met} <= set(kept), "what is known stays"
        met |= {(label, name) for name in kept}
    assert len(met) <= max_pairs
    assert len({name for _, name in met}) <= max_names
    names = {name for features, _ in given_ for name in features}
    if len(names) <= max_names and len(names) * len({label for _, label in given_}) <= max_pairs:
        assert known.left_out == 0


def test_a_river_model_keeps_no_more_than_its_bound_when_every_example_brings_new_names() -> None:
    model = Model("GaussianNB()", seed=1, limits=Limits(features=50, pairs=120))
    for number in range(40):
        model.learn({f"{number}-{k}": 1.0 for k in range(20)} | {"x": 1.0}, f"class {number % 5}")
    gaussians = model.classifier.river.gaussians
    assert sum(len(of_class) for of_class in gaussians.values()) <= 120
    assert len({name for of_class in gaussians.values() for name in of_class}) <= 50
    assert "model.max_features" in model.left_out()["*"]


def test_auto_is_not_changed_by_the_bound() -> None:
    one, other = (Model("auto", seed=1, limits=Limits(features=most)) for most in (1, 1000))
    for model in (one, other):
        for number in range(6):
            model.learn({"x": number, "y": 1, "z": 2}, number % 2)
    assert (one.digest(), one.fingerprint) == (other.digest(), other.fingerprint)


@pytest.mark.parametrize("words", ["BagOfWords", "TFIDF"])
@pytest.mark.parametrize("around", ["{}", "OneVsRestClassifier({})", "BaggingClassifier({}, n_models=2)"])
def test_a_model_of_words_keeps_no_more_words_than_features(words: str, around: str) -> None:
    definition = around.format(f'({words}(on="body") | MultinomialNB())')
    model = Model(definition, seed=1, limits=Limits(features=50))
    for number in range(30):
        text = " ".join(f"w{number}x{k}" for k in range(20)) + " " + "l" * 200
        model.learn({"body": text}, "up" if number % 2 else "down")
    kept = [part for part in parts(model.classifier.river) if type(part) is naive_bayes.MultinomialNB]
    assert kept
    most = 25 if "Bagging" in definition else 50  # two members share it
    assert max(len(part.feature_counts) for part in kept) == most, "each vectoriser has the bound"
    longest = max(len(word) for part in kept for word in part.feature_counts)
    assert longest <= 100, "a word of any length is none"
    before = model.digest()
    assert model.probabilities({"body": "w0x0 w0x1 something new"})
    assert model.digest() == before


def test_two_models_that_know_other_names_have_other_digests() -> None:
    """Which features are learned next depends on the names, so the digest has to cover them."""
    one, other = (Model("GaussianNB()", seed=1, limits=Limits(features=2)) for _ in range(2))
    for model, name in ((one, "a"), (other, "b")):
        model.learn({"x": 1.0}, "up")
        assert model._features.known is not None
        model._features.known.admitted({name: 1.0}, "up")
    assert one.digest() != other.digest()
