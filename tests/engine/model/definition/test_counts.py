"""The laws of counts: no number in an expression asks for unbounded memory or work."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from river import ensemble

from stream_al.engine.model.definition import counts, expression
from stream_al.engine.model.definition.counts import EXPONENTS, MOST, MOST_BYTES, MOST_MEMBERS, Counts
from stream_al.engine.model.definition.expression import load, parse
from stream_al.engine.model.definition.validation import problem_with
from stream_al.errors import Misconfigured


def refusal(text: str) -> str:
    with pytest.raises(Misconfigured) as raised:
        load(text, seed=1)
    (mistake,) = raised.value.mistakes
    return mistake


def fail(*_: Any, **__: Any) -> None:
    pytest.fail("a class was called")


VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
CLASSES: dict[str, type] = {
    name: cls for found in expression._index().values() for name, cls in found.items()
}
NUMBERS = [
    (name, parameter.name)
    for name, cls in sorted(CLASSES.items())
    for parameter in inspect.signature(cls).parameters.values()
    if parameter.name != "seed"
    and (
        (isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool))
        or "int" in str(parameter.annotation)
    )
]


def test_no_class_is_called_with_a_number_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds for every argument of every class, those of a new version of River included."""
    assert len(NUMBERS) > 300
    for name, argument in NUMBERS:
        signature = inspect.signature(CLASSES[name])

        parameters = [
            one.replace(default=None) if one.default is one.empty and one.kind not in VARIADIC else one
            for one in signature.parameters.values()
        ]
        never = type(
            "Never", (), {"__signature__": signature.replace(parameters=parameters), "__init__": fail}
        )
        monkeypatch.setattr(expression, "_find", lambda _, never=never: never)
        for value in (str(10**15), "-1e300", "1e999", f"[{10**15}]", f"{{'a': ({10**15},)}}"):
            with pytest.raises(Misconfigured, match=f"asks for too much: {argument} is .* at most"):
                parse(f"{name}({argument}={value})", seed=1)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            "BaggingClassifier(GaussianNB(), n_models=3000000)",
            "n_models is 3000000 and may be 10000 at most.",
        ),
        ("BaggingClassifier(GaussianNB(), 3000000)", "n_models is 3000000 and may be 10000 at most."),
        ("ARFClassifier(n_models=1001)", "it would have 1001 members in all and may have 1000 at most."),
        ("BaggingClassifier(ARFClassifier(n_models=50), 40)", "2000 members"),
        ("BaggingClassifier(StandardScaler() | BaggingClassifier(GaussianNB(), 100), 100)", "10000 members"),
        ("BaggingClassifier(VotingClassifier([ARFClassifier(400), ARFClassifier(400)]), 2)", "1600 members"),
        ("BaggingClassifier(ARFClassifier, 101)", "1010 members"),
        ("KNNClassifier(engine=LazySearch(window_size=10001))", "window_size is 10001"),
        ("NearestNeighbours(n_neighbors=(5, 99999))", "n_neighbors is 99999"),
        ("PolynomialExtender(degree=6) | GaussianNB()", "degree is 6 and may be 5 at most"),
        ("QuantileFilter(HalfSpaceTrees(height=30), q=0.9) | GaussianNB()", "height is 30"),
        ("OutputCodeClassifier(GaussianNB(), 30, 'exact')", "code_size is 30"),
        ("Agg(on='x', by='y', how=sketch.NUnique(error_rate=1e-9)) | GaussianNB()", "error_rate is 1e-09"),
        ("ExtraTrees(n_trees=1000, window=10000)", "their product"),
    ],
)
def test_a_number_that_asks_for_too_much_is_refused_in_one_sentence(text: str, advice: str) -> None:
    assert advice in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "BaggingClassifier(GaussianNB(), n_models=1000)",
        "ARFClassifier(seed=4294967295, memory_estimate_period=2000000)",
        "KNNClassifier(engine=LazySearch(window_size=10000))",
        "FeatureHasher(n_features=1048576) | GaussianNB()",
        "LogisticRegression(clip_gradient=1e12, l2=1e-9)",
        "QuantileFilter(HalfSpaceTrees(), q=0.9) | BaggingClassifier(LogisticRegression(), 100)",
    ],
)
def test_a_number_within_its_limit_or_the_classes_own_default_is_taken(text: str) -> None:
    load(text, seed=1)


def test_every_default_of_every_class_is_within_the_limits() -> None:
    """Otherwise a class could not be written without an argument."""
    for cls in CLASSES.values():
        signature = inspect.signature(cls)
        defaults = {
            name: one.default
            for name, one in signature.parameters.items()
            if one.default is not one.empty
            and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
            and one.default is not None
        }
        given = signature.bind_partial(**defaults)
        for name in {*signature.parameters} - {*defaults}:
            given.arguments.pop(name, None)
        for name, value in given.arguments.items():
            most = EXPONENTS.get(name, max([MOST, *counts._sizes(value)]))
            assert all(size <= most for size in counts._sizes(value)), (cls, name)


def test_the_limit_on_members_is_reached_before_anything_is_copied() -> None:
    given = inspect.signature(ensemble.BaggingClassifier).bind(None, MOST_MEMBERS + 1)
    assert Counts().problem_with(ensemble.BaggingClassifier, given)


def test_a_fresh_model_of_an_expression_has_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A factory is the user's own code, and may load a model of any size."""
    monkeypatch.setattr(expression, "MOST_BYTES", 100)
    assert "bytes before its first example" in refusal("GaussianNB()")
    load("river.naive_bayes:GaussianNB", seed=1)
    monkeypatch.undo()
    assert problem_with(load("auto", seed=1), most_bytes=MOST_BYTES) is None
