"""Samples that the model fails on are decided about: under the budget, with true propensities."""

from __future__ import annotations

import random
from math import sqrt
from typing import Any

import pytest

from stream_al.engine.budgets import MANAGERS, Context, Decision, Reason
from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import sample_of
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import Failure, ScoredSample
from stream_al.errors import BadMessage
from tests.support.managers import (
    assert_budget_law,
    every_claiming_manager,
    every_exploring_manager,
    manager_of,
)

SHARE = 0.05
NUMBER = 3000


def arrivals(failing: float) -> list[tuple[dict[str, Any], bool]]:
    """Samples with labels; a share of them has a text, which the model can neither predict nor learn."""
    draw = random.Random(7)  # noqa: S311 -- a fixed stream
    found = []
    for _ in range(NUMBER):
        x, y = draw.random(), draw.random()
        text = {"currency": "EUR"} if draw.random() < failing else {}
        found.append(({"x": x, "y": y, **text}, x > y))
    return found


def play(manager: str, failing: float, exploration: float = 0.1) -> tuple[list[Decision], list[int], int]:
    """Decide about the samples and learn what is bought: decisions, what failed, how many were refused."""
    selector = Selector("margin", manager, share=SHARE, exploration=exploration, seed=1)
    model: Model = selector.strategy.model("LogisticRegression()", seed=1)
    for features, label in arrivals(0.0)[:20]:
        model.learn(features, label)
    state, decisions, failed, refused = selector.start(), list[Decision](), list[int](), 0
    for place, (features, label) in enumerate(arrivals(failing)):
        scored = selector.score(model, str(place), features)
        if scored.failure is not None:
            failed.append(place)
        context = Context(ready=model.ready, known=model.examples)
        (decision,), state = selector.decide(state, [scored], context)
        decisions.append(decision)
        try:
            if decision.selected:
                model.learn(features, label)
        except BadMessage:
            refused += 1
    return decisions, failed, refused


@pytest.mark.parametrize("failing", [0.1, 0.6, 1.0])
@every_claiming_manager
def test_the_budget_law_holds_where_the_model_fails(name: str, failing: float) -> None:
    decisions, failed, _ = play(name, failing)
    assert len(decisions) == NUMBER
    assert len(failed) == pytest.approx(failing * NUMBER, rel=0.2)
    assert_budget_law(manager_of(name, SHARE), decisions)


@every_claiming_manager
def test_samples_that_the_model_fails_on_do_not_take_the_labels_of_the_others(name: str) -> None:
    """A tenth of the samples takes no more labels than a draw at random would give it."""
    decisions, failed, refused = play(name, 0.1)
    bought, share = sum(decision.selected for decision in decisions), len(failed) / NUMBER
    assert refused <= share * bought + 3 * sqrt(share * (1 - share) * bought)


@every_exploring_manager
def test_exploration_finds_samples_that_the_model_fails_on_with_a_true_propensity(name: str) -> None:
    """Where half of them fail, the labels bought of these, weighted by 1/p, stand for all of them."""
    decisions, failed, _ = play(name, 0.5, exploration=0.5)
    bought = [decisions[place] for place in failed if decisions[place].selected]
    assert bought
    assert all(decision.reason in {Reason.EXPLORE, Reason.UNCERTAIN} for decision in bought)
    assert all(0.0 < decision.propensity <= 1.0 for decision in bought)
    assert sum(1.0 / decision.propensity for decision in bought) == pytest.approx(len(failed), rel=0.5)


@pytest.mark.parametrize("manager", sorted(MANAGERS))
def test_decisions_in_batches_are_those_one_by_one(manager: str) -> None:
    selector = Selector("margin * novelty", manager, share=0.2, exploration=0.1, seed=1)
    model = selector.strategy.model("LogisticRegression()", seed=1)
    for features, label in arrivals(0.0)[:40]:
        model.learn(features, label)
    samples = [sample_of(str(place), features) for place, (features, _) in enumerate(arrivals(0.3)[:200])]
    scored = selector.score_many(model, samples, [0] * len(samples))
    assert {one.failure is None for one in scored} == {True, False}
    context = Context(ready=True)
    together, end = selector.decide(selector.start(), scored, context)
    state, alone = selector.start(), list[Decision]()
    for sample in samples:
        (score,) = selector.score_many(model, [sample], [0])
        (decision,), state = selector.decide(state, [score], context.after(sum(d.selected for d in alone)))
        alone.append(decision)
    assert [decision.id for decision in together] == [sample.id for sample in samples]
    assert together == alone
    assert end == state
    assert selector.decode(selector.encode(end)) == selector.decode(selector.encode(state))


def test_a_factor_that_fails_keeps_the_prediction() -> None:
    """The label that is bought then counts in the estimates: the prediction was made."""
    selector = Selector("gradient_length", "stratified", share=0.1, exploration=0.1, seed=0)
    model = selector.strategy.model("StandardScaler() | LogisticRegression()", seed=1)
    for features, label in arrivals(0.0)[:40]:
        model.learn(features, label)
    before = model.probabilities({"x": 0.1, "y": 0.9})

    def fail(features: object) -> dict[Any, Any]:
        raise BadMessage("model_error", "not this one")

    model.classifier.inputs = fail  # type: ignore[method-assign]
    scored = selector.score(model, "s", {"x": 0.1, "y": 0.9})
    assert scored == ScoredSample("s", before, 0.0, failure=Failure("model_error", "not this one"))
