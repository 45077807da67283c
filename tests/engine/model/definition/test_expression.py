"""The laws of definitions: River's names build River's objects; other text is refused in one sentence."""

from __future__ import annotations

import contextlib
import inspect
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from river import compose, ensemble, linear_model, naive_bayes, neighbors, optim, preprocessing, tree

from stream_al.engine.model.definition import expression
from stream_al.engine.model.definition.expression import MAX_DEPTH, MAX_LENGTH, load, parse
from stream_al.engine.model.digest import digest
from stream_al.engine.model.introspection import parts
from stream_al.engine.model.river_patches import StandardScaler
from stream_al.errors import Misconfigured

CLASSIFIERS = [
    "StandardScaler() | LogisticRegression(optimizer=optim.SGD(0.1))",
    "StandardScaler | LogisticRegression",
    "(SelectType(str) | OneHotEncoder()) + (SelectType(int, float) | StandardScaler()) | SoftmaxRegression()",
    'TFIDF(on="body") | MultinomialNB()',
    "forest.ARFClassifier(n_models=10)",
    "river.forest.ARFClassifier()",
    "OneVsRestClassifier(LogisticRegression())",
    "ensemble.BaggingClassifier(StandardScaler() | LogisticRegression(), n_models=3)",
    "StackingClassifier([GaussianNB(), HoeffdingTreeClassifier()], SoftmaxRegression())",
    "RandomUnderSampler(LogisticRegression(), desired_dist={False: 0.5, True: 0.5})",
    "Pipeline(('scale', StandardScaler()), ('learn', GaussianNB()))",
    "KNNClassifier()",
    "QuantileFilter(HalfSpaceTrees(), q=0.9) | GaussianNB()",
    "  GaussianNB()\n",
]


def sentence(text: str, *, make: object = load) -> str:
    """The one sentence with which a definition is refused."""
    with pytest.raises(Misconfigured) as raised:
        make(text, seed=1)  # type: ignore[operator]
    (mistake,) = raised.value.mistakes
    assert "\n" not in mistake
    assert mistake.endswith((".", "?"))
    return mistake


@pytest.mark.parametrize("text", CLASSIFIERS)
def test_a_river_expression_makes_a_classifier(text: str) -> None:
    assert callable(load(text, seed=1).predict_proba_one)


def test_an_expression_makes_what_python_would_make() -> None:
    built = parse(
        "AdaBoostClassifier(LogisticRegression(l2=-0.1, loss=optim.losses.Hinge()), 3, seed=5)", seed=1
    )
    python = ensemble.AdaBoostClassifier(
        linear_model.LogisticRegression(l2=-0.1, loss=optim.losses.Hinge()), 3, seed=5
    )
    assert digest(built) == digest(python)


def test_every_end_of_a_path_names_the_class() -> None:
    for name in ("losses.Log", "optim.losses.Log", "river.optim.losses.Log", "Log"):
        assert type(parse(name, seed=1)) is optim.losses.Log


def test_the_error_for_an_ambiguous_name_lists_the_qualified_ones() -> None:
    mistake = sentence("LogisticRegression(initializer=Constant(1))")
    assert "optim.initializers.Constant or optim.schedulers.Constant" in mistake


def test_every_public_class_is_found_by_its_path_and_can_be_inspected() -> None:
    index = expression._index()
    assert len(index) > 500
    for path, found in index.items():
        for cls in found.values():
            assert not inspect.isabstract(cls), path
            inspect.signature(cls)


@pytest.mark.parametrize(
    "text",
    [
        "LeveragingBaggingClassifier(HoeffdingAdaptiveTreeClassifier())",
        "ARFClassifier(seed=None)",
        "SRPClassifier(n_models=2)",
        "RBFSampler() | BaggingClassifier(FMClassifier(latent_initializer=optim.initializers.Normal()))",
        "KNNClassifier()",
    ],
)
def test_every_seed_is_set(text: str) -> None:
    seeds = [vars(part)["seed"] for part in parts(load(text, seed=7)) if "seed" in vars(part)]
    assert set(seeds) <= {7}


def test_a_given_seed_is_kept() -> None:
    assert parse("ARFClassifier(seed=3)", seed=7).seed == 3  # type: ignore[attr-defined]


def test_a_selection_keeps_the_order_written_even_in_clones() -> None:
    names = [f"f{i}" for i in range(20)]
    model = parse(f"OneVsRestClassifier(Select({str(names)[1:-1]}) | LogisticRegression())", seed=1)
    model.learn_one(dict.fromkeys(names, 1.0), "a")  # type: ignore[attr-defined]
    selects = [part for part in parts(model) if isinstance(part, compose.Select)]
    assert len(selects) > 1
    assert all(list(select.keys) == names for select in selects)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "is not an expression"),
        ("GaussianNB(", "is not an expression"),
        ("x = 1", "is not an expression"),
        ("GaussianNB()\0", "is not an expression"),
        ("GaussianNB(" * 300, "write a factory"),
        ("a" * (MAX_LENGTH + 1), str(MAX_LENGTH)),
        ("GausianNB()", "'GaussianNB'"),
        ("preprocesing.StandardScaler()", "'preprocessing.StandardScaler'"),
        ("os.system('true')", "River has no 'os.system'"),
        ("Classifier()", "River has no 'Classifier'"),
        ("optim.Optimizer()", "River has no 'optim.Optimizer'"),
        ("datasets.Phishing()", "River has no"),
        ("stream.iter_csv('x')", "River has no"),
        ("__import__('os')", "River has no"),
        ("GaussianNB.__class__", "River has no"),
        ("GaussianNB().__class__", "is not allowed"),
        ("GaussianNB().learn_one", "is not allowed"),
        ("(lambda: 1)()", "is not allowed"),
        ("FuncTransformer(lambda x: x) | GaussianNB()", "lambda x: x"),
        ("[GaussianNB() for _ in '1']", "is not allowed"),
        ("GaussianNB() if 1 else 2", "is not allowed"),
        ("GaussianNB() * 2", "is not allowed"),
        ("LogisticRegression(l2=1 + 1)", "is not allowed"),
        ("LogisticRegression(l2=2 ** 9)", "is not allowed"),
        ("LogisticRegression(l2=1j)", "is not allowed"),
        ("LogisticRegression(l2=b'1')", "is not allowed"),
        ("LogisticRegression(l2=...)", "is not allowed"),
        ("LogisticRegression(l2=f'{1}')", "is not allowed"),
        ("LogisticRegression(**{'l2': 1})", "is not allowed"),
        ("Select(*['a'])", "is not allowed"),
        ("RandomSampler(GaussianNB(), {**{1: 2}})", "is not allowed"),
        ("1 | GaussianNB()", "is not allowed"),
        ("LogisticRegression(l3=1)", "it takes optimizer, loss, l2"),
        ("OneVsRestClassifier()", "missing a required argument: 'classifier'"),
        ("BaggingClassifier(3)", "it takes model, n_models, seed"),
        ("'GaussianNB()'", "names no model"),
        ("int", "names no model"),
        ("+".join(["StandardScaler()"] * (MAX_DEPTH + 1)), "list the steps"),
        ("StandardScaler()", "makes a transformer"),
        ("LinearRegression()", "makes a regressor"),
        ("KMeans()", "makes a clusterer"),
        ("HalfSpaceTrees()", "makes an anomaly detector"),
        ("stats.Mean()", "makes a Mean"),
        ("GaussianNB() | StandardScaler()", "GaussianNB before the end"),
        ("OneVsRestClassifier(GaussianNB() | SoftmaxRegression())", "GaussianNB before the end"),
        ("Pipeline()", "without steps"),
        ("VotingClassifier([GaussianNB(), GaussianNB()])", "without probabilities"),
        ("OneVsOneClassifier(LogisticRegression())", "without probabilities"),
        ("KNNClassifier(engine=SWINN())", "use LazySearch"),
        ("RandomTreesEmbedding() | GaussianNB()", "does not survive pickling"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_to_write(text: str, advice: str) -> None:
    assert advice in sentence(text)


ATOMS = st.sampled_from(
    [
        *(
            "GaussianNB",
            "StandardScaler",
            "LogisticRegression",
            "ARFClassifier",
            "BaggingClassifier",
            "Select",
        ),
        *("SelectType", "OneHotEncoder", "Pipeline", "TransformerUnion", "VotingClassifier", "optim.SGD"),
        *("x", "int", "str", "1", "-2.5", "'a'", "None", "True", "__class__", "()", "[]", "{}", "...", "1j"),
    ]
)
NESTED = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.lists(inner, max_size=3)).map(lambda call: f"{call[0]}({', '.join(call[1])})"),
        st.tuples(inner, st.sampled_from(["|", "+", "*", "if", ".", "=", ",", ":", "and"]), inner).map(
            " ".join
        ),
        st.tuples(st.sampled_from(["-", "*", "lambda: ", "not ", "await "]), inner).map("".join),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), NESTED, st.binary(max_size=40).map(lambda raw: raw.decode("latin-1"))))
@example("(" * 999)
@example("-" * 1999)
@example("[" * 90 + "]" * 90)
@example("GaussianNB" + "()" * 990)
@example("a" + ".a" * 900)
@example("GaussianNB()" + "|GaussianNB()" * 150)
@example("Pipeline | Pipeline")
@example("Pipeline(Pipeline, GaussianNB)")
@example("GaussianNB | Pipeline(Pipeline)")
@example("\ud800")
@example("'\\d'")
@example("1" * 1999)
def test_nothing_but_misconfigured_escapes_whatever_the_text(text: str) -> None:
    for make in (parse, load):
        with contextlib.suppress(Misconfigured):
            make(text, seed=1)


bayes: Any = naive_bayes.GaussianNB


def trained() -> object:
    model = bayes()
    model.learn_one({"a": 1.0}, "x")
    return model


def failing() -> object:
    raise KeyError("no such\nthing")


def leaving() -> object:
    raise SystemExit(2)


def unpicklable() -> object:
    return compose.FuncTransformer(lambda x: x) | bayes()


@pytest.fixture
def factories(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_models")
    vars(module).update(
        good=lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
        trained=trained,
        seeded=lambda: ensemble.BaggingClassifier(tree.HoeffdingTreeClassifier(), seed=1),
        unseeded=lambda: ensemble.BaggingClassifier(bayes()),
        nested=lambda: ensemble.VotingClassifier([bayes(), ensemble.BaggingClassifier(bayes())]),
        select=lambda: compose.Select("a", "b") | bayes(),
        knn=neighbors.KNNClassifier,
        failing=failing,
        leaving=leaving,
        unpicklable=unpicklable,
        nothing=lambda: None,
        needs=lambda argument: argument,
    )
    monkeypatch.setitem(sys.modules, "my_models", module)


@pytest.mark.usefixtures("factories")
@pytest.mark.parametrize("name", ["good", "seeded", "trained"])
def test_a_factory_makes_the_model_itself(name: str) -> None:
    assert load(f"my_models:{name}", seed=1) is not load(f"my_models:{name}", seed=1)


@pytest.mark.usefixtures("factories")
@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("my_models:missing", "AttributeError"),
        ("no.such.module:build", "ModuleNotFoundError"),
        ("..:x", "can name no factory"),
        ("my_models:failing", "KeyError: 'no such\\nthing'"),
        ("my_models:leaving", "SystemExit"),
        ("my_models:needs", "without arguments"),
        ("my_models:nothing", "makes a NoneType"),
        ("my_models:unseeded", "BaggingClassifier without a seed"),
        ("my_models:nested", "BaggingClassifier without a seed"),
        ("my_models:select", "stream_al.engine.model.river_patches"),
        ("my_models:knn", "use LazySearch"),
        ("my_models:unpicklable", "cannot be pickled"),
    ],
)
def test_a_factory_that_cannot_serve_is_refused_in_one_sentence(path: str, advice: str) -> None:
    assert advice in sentence(path)


@given(
    learned=st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(-9, 9), max_size=3), max_size=5),
    asked=st.dictionaries(st.sampled_from("abcd"), st.floats(-9, 9), max_size=4),
    with_std=st.booleans(),
)
@settings(derandomize=True, deadline=None)
def test_the_scaler_returns_what_rivers_returns_and_does_not_change(
    learned: list[dict[str, float]], asked: dict[str, float], with_std: bool
) -> None:
    ours: Any = StandardScaler(with_std=with_std)
    rivers: Any = preprocessing.StandardScaler(with_std=with_std)
    for features in learned:
        ours.learn_one(features)
        rivers.learn_one(features)
    before = dict(ours.counts), dict(ours.means), dict(ours.vars)
    assert list(ours.transform_one(asked).items()) == list(rivers.transform_one(asked).items())
    assert (dict(ours.counts), dict(ours.means), dict(ours.vars)) == before
