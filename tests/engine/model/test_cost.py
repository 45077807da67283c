"""What a record costs is bounded for every River model: by names, members, classes, words and products."""

from __future__ import annotations

from typing import Any

import pytest

from stream_al.engine.model import classifier, faults
from stream_al.engine.model import model as model_module
from stream_al.engine.model.batch_scoring import scorer
from stream_al.engine.model.definition.expression import load
from stream_al.engine.model.importance import predict_in_steps
from stream_al.engine.model.introspection import parts
from stream_al.engine.model.limits import Limits
from stream_al.engine.model.model import Model
from stream_al.engine.model.pickling import TooLarge, dumps, loads
from stream_al.engine.model.river_patches import MOST_PRODUCTS, Words
from stream_al.engine.samples.table import sample_of
from stream_al.engine.steps import finished
from stream_al.engine.strategies import STRATEGIES
from stream_al.engine.strategies.base import Candidates
from stream_al.engine.strategies.least_confidence import least_confidence
from stream_al.engine.strategies.product import Strategy
from stream_al.errors import BadMessage

WIDE = {f"n{place}": float(place % 7) for place in range(9000)}


class Counted:
    """Counts the features that a classifier gets."""

    def __init__(self, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = 0
        river = model.classifier.river
        for name in ("learn_one", "predict_proba_one"):
            monkeypatch.setattr(river, name, self._counting(getattr(river, name)))

    def _counting(self, call: Any) -> Any:
        def counted(features: dict[str, Any], *more: Any) -> Any:
            self.most = max(self.most, len(features))
            return call(features, *more)

        return counted


@pytest.mark.parametrize(
    ("definition", "most"),
    [
        ("HoeffdingTreeClassifier()", 4000),
        ("forest.ARFClassifier(n_models=10)", 4000),
        ("OneVsRestClassifier(LogisticRegression())", 4000),
        ("BaggingClassifier(GaussianNB(), n_models=10)", 400),
        ("SRPClassifier(HoeffdingTreeClassifier(), n_models=8)", 500),
        ("FMClassifier()", 200),
        ("HOFMClassifier()", 31),
    ],
)
def test_a_model_learns_and_predicts_from_fewer_features_the_longer_each_takes(
    definition: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(definition, seed=1)
    counted = Counted(model, monkeypatch)
    monkeypatch.setattr(model.classifier, "_reader", lambda: model.classifier.river)
    for label in "ab":
        model.learn(WIDE, label)
    assert counted.most == most
    model.probabilities(WIDE)
    model.probabilities({f"new{place}": 1.0 for place in range(9000)})
    model.predict_proba_many([sample_of("a", WIDE)])
    assert counted.most == most, "a prediction takes no more"


def test_features_times_classes_are_bounded_also_for_those_that_many_classes_know() -> None:
    model = Model("GaussianNB()", seed=1, limits=Limits(pairs=1000))
    features = {f"n{place}": float(place) for place in range(200)}
    for number in range(100):
        shifted = {
            name: value * (1 + place % 7) + number for place, (name, value) in enumerate(features.items())
        }
        model.learn(shifted, f"class {number % 50}")
    assert model._features.known is not None
    assert len(model._features.known.used(features)) == 1000 // 50
    few = dict.fromkeys(list(features)[:20], 1.0)
    whole, narrow = (model.predict_proba_many([sample_of("a", given)]) for given in (features, few))
    (row,) = whole.probabilities.tolist()
    assert row == pytest.approx(list(model.probabilities(features).values())), "many at once are as one"
    assert len(model._features.known.used(few)) == 20, "a record of few features keeps all of them"
    assert narrow.labels == whole.labels


def test_words_times_classes_are_bounded_in_the_vocabulary_and_in_one_text() -> None:
    model = Model('BagOfWords(on="body") | MultinomialNB()', seed=1)
    (words,) = [part for part in parts(model.classifier.river) if isinstance(part, Words)]
    model._features.words.fit(1000)  # as many classes as a model may have
    text = {"body": " ".join(f"w{place}" for place in range(9000))}
    assert len(words._words(text)) <= 4040, "a text is cut before it is divided into words"
    words.learn_one(text)
    assert len(vars(words)["known_words"]) == 200
    assert len(words.process_text(text)) == 40
    assert len(words.process_text({"body": "w1 w2 w1"})) == 3, "a short text keeps all"


def test_every_new_class_lowers_the_bound_of_the_words() -> None:
    model = Model('BagOfWords(on="body") | MultinomialNB()', seed=1)
    for number in range(60):
        model.learn({"body": "free entry"}, f"class {number}")
    (words,) = [part for part in parts(model.classifier.river) if isinstance(part, Words)]
    assert (words.bound.known, words.bound.of_text) == (200_000 // 60, 40_000 // 60)
    assert words.bound is model._features.words, "the clones of a vectoriser share it"


def test_products_of_features_are_bounded_and_the_sentence_says_what_to_do() -> None:
    model = Model("PolynomialExtender(degree=2) | LogisticRegression()", seed=1)
    for number in range(4):
        model.learn({"x": number, "y": 1.0}, "ab"[number % 2])
    with pytest.raises(BadMessage, match=r"PolynomialExtender would make \d+ products of \d+ features"):
        model.learn(WIDE, "a")
    made: Any = load("PolynomialExtender(degree=2)| LogisticRegression()", seed=1)
    assert len(made.transform_one({str(n): 1.0 for n in range(80)})) <= MOST_PRODUCTS


def test_a_large_model_is_not_copied_to_explain_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is tried on a model that has learned nothing, and the feature at fault is found there."""
    monkeypatch.setattr(classifier, "MOST_COPIED_BYTES", 20_000)
    model = Model("GaussianNB()", seed=1)
    for number in range(10):
        model.learn({f"n{place}": float(place + number) for place in range(300)}, "ab"[number % 2])
    with pytest.raises(TooLarge):
        model.classifier.temporary_copy(20_000)
    monkeypatch.setattr(classifier, "loads", lambda data: pytest.fail("it was copied"))
    bad = {"x": 1.0, "currency": "EUR"}
    with pytest.raises(BadMessage) as raised:
        model.learn(bad, "a")
    subject, sentence = model.explain(bad, "a", raised.value)
    assert subject == "currency"
    assert "input.exclude" in sentence


def test_no_more_of_a_pickle_is_made_than_allowed() -> None:
    values = {str(number): number for number in range(100_000)}
    with pytest.raises(TooLarge):
        dumps(values, 50_000)
    assert len(dumps(values, 10_000_000)) > 50_000


def test_the_tries_that_find_a_feature_at_fault_are_bounded_by_features() -> None:
    tried = 0

    def works(some: Any) -> bool:
        nonlocal tried
        tried += len(some)
        return not any(isinstance(value, str) for value in some.values())

    wide = {**{f"n{place}": 1.0 for place in range(1000)}, **{f"t{place}": "x" for place in range(40)}}
    assert faults.features_at_fault(wide, works)
    assert tried <= faults.MOST_TRIED + len(wide)
    tried = 0
    assert faults.features_at_fault({**WIDE, "t": "x"}, works) == ()
    assert tried <= faults.MOST_TRIED


def test_a_distribution_has_no_generator_before_it_is_asked_for_a_sample() -> None:
    """They would take most of the memory of a naive Bayes, and most of its time for a new feature."""
    model: Any = load("GaussianNB()", seed=1)
    model.learn_one({"x": 1.0, "y": 2.0}, "a")
    found = [vars(one) for one in model.gaussians["a"].values()]
    assert len(found) == 2
    assert not any("_rng" in state for state in found)
    model.gaussians["a"]["x"].update(2.0)
    assert isinstance(model.gaussians["a"]["x"].sample(), float)


def test_each_class_that_learns_every_example_makes_all_of_them_narrower() -> None:
    """One-vs-rest learns an example once for each class, also one whose label is another class."""
    model = Model("OneVsRestClassifier(GaussianNB())", seed=1, limits=Limits(pairs=800))
    for number in range(40):
        features = {f"{number}-{place}": float(place) for place in range(3)}
        model.learn({"x": float(number), **features}, f"class {number % 20}")
        kept = sum(
            len(of_class)
            for one in model.classifier.river.classifiers.values()
            for of_class in one.gaussians.values()
        )
        assert kept <= 800
    known = model._features.known
    assert known is not None
    assert len(known._names) > 100 // 20
    assert len(known.used(dict.fromkeys(known._names, 1.0))) == 100 // 20
    assert "model.max_pairs" in model.left_out()["*"]


def test_words_times_classes_are_fewer_where_each_class_has_words_of_its_own() -> None:
    model = Model('OneVsRestClassifier(BagOfWords(on="body") | MultinomialNB())', seed=1)
    for number in range(60):
        model.learn({"body": "free entry"}, f"class {number}")
    assert (model._features.words.known, model._features.words.of_text) == (200_000 // 480, 40_000 // 480)


def test_a_member_of_an_ensemble_counts_for_the_pairs_too() -> None:
    model = Model("BaggingClassifier(GaussianNB(), n_models=10)", seed=1, limits=Limits(pairs=1000))
    for number in range(20):
        model.learn({f"n{place}": 1.0 for place in range(50)}, f"class {number}")
    assert model._features.known is not None
    assert len(model._features.known.used({f"n{place}": 1.0 for place in range(50)})) == 1000 // 10 // 20


LOOKING_AHEAD = ["error_reduction", "model_change"]


@pytest.mark.parametrize("strategy", LOOKING_AHEAD)
def test_a_model_that_takes_long_to_copy_is_not_copied_for_each_sample(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The utility is then that of least confidence, and whether it is depends on what was learned alone."""
    made = Strategy(strategy, STRATEGIES)
    model = made.model("GaussianNB()", seed=1)
    for number in range(6):
        model.learn({f"n{place}": float(place % 5 + number) for place in range(300)}, "ab"[number % 2])
    sample = sample_of("s", {"n1": 2.5})
    assert model.copies_fast()
    monkeypatch.setattr(model_module, "COPIED_PARTS", 500)
    for one in (model, loads(dumps(model))):
        one._copies_fast = None
        assert not one.copies_fast()
        monkeypatch.setattr(one, "with_example", lambda *given: pytest.fail("it was copied"))
        predicted = one.predict_proba_many([sample])
        candidates = Candidates([sample], predicted.labels, predicted.probabilities, one)
        assert made.utilities(candidates).tolist() == least_confidence(candidates).tolist()


def test_the_wider_the_last_examples_the_fewer_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Strategy("error_reduction", STRATEGIES).model("HoeffdingTreeClassifier()", seed=1)
    for number in range(30):
        model.learn({f"n{place}": float(place * number) for place in range(1000)}, "ab"[number % 2])
    assert len(model.recent_predictions()) == 5, "2 classes with 1,000 features each, 10,000 in all"
    copy = model.with_example(WIDE, "a")
    counted = Counted(copy, monkeypatch)
    copy.probabilities(WIDE)
    assert counted.most <= 4000, "the copy has the same bound"


def test_predictions_for_an_explanation_are_made_one_by_one_where_each_takes_long() -> None:
    model = Model("GaussianNB()", seed=1)
    for number in range(60):
        model.learn({f"n{place}": float(place + number) for place in range(400)}, f"class {number % 30}")
    samples = [sample_of(str(n), {f"n{place}": float(place * n) for place in range(400)}) for n in range(3)]
    assert sum(1 for _ in predict_in_steps(model, samples)) == 3
    found = finished(predict_in_steps(model, samples))
    assert found.probabilities.tolist() == model.predict_proba_many(samples).probabilities.tolist()


def test_a_record_that_is_too_wide_is_not_scored_in_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table has all features of its samples. Such a record is scored alone, by those that are used."""
    widths = list[int]()

    def watched(river: Any) -> Any:
        made = scorer(river)
        assert made is not None
        whole = made.scores

        def scores(table: Any) -> Any:
            widths.append(len(table.names))
            return whole(table)

        monkeypatch.setattr(made, "scores", scores)
        return made

    monkeypatch.setattr("stream_al.engine.model.batch_scoring.scorer", watched)
    model = Model("GaussianNB()", seed=1, limits=Limits(features=10))
    for number in range(8):
        model.learn({f"n{place}": float(place * number) for place in range(10)}, "ab"[number % 2])
    samples = [
        sample_of(str(most), {f"n{place}": float(place) for place in range(most)}) for most in (10, 200)
    ]
    predicted = model.predict_proba_many(samples)
    assert widths == [10]
    assert predicted.rows()[1] == model.probabilities(samples[1].features)
