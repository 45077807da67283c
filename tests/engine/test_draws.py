"""The laws of draws: samples of one id share none."""

from __future__ import annotations

from collections import Counter

import pytest

from stream_al.engine.budgets import Context
from stream_al.engine.samples.table import at_position, sample_of
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample


@pytest.mark.parametrize("manager", ["stratified", "split"])
def test_samples_of_one_id_are_explored_with_the_propensity_that_is_stated(manager: str) -> None:
    """Of 8 customers with 1,000 samples each, every one has about a tenth explored, as stated."""
    share = 0.1
    selector = Selector("random", manager, share=share, exploration=1.0, seed=0)
    samples = [
        at_position(sample_of(f"customer-{n * 7 % 8}", {"x": 1.0}), partition=0, offset=n)
        for n in range(8000)
    ]
    scored = [ScoredSample(s.id, {}, 0.5, draw=s.draw) for s in samples]
    decisions, _ = selector.decide(selector.start(), scored, Context())
    bought = Counter(s.id for s, d in zip(samples, decisions, strict=True) if d.selected)
    deviation = (1000 * share * (1 - share)) ** 0.5
    assert len(bought) == 8
    assert all(abs(number - 1000 * share) < 5 * deviation for number in bought.values())


def test_the_random_strategy_gives_samples_of_one_id_utilities_of_their_own() -> None:
    selector = Selector("random", "stratified", share=0.5, exploration=0.0, seed=0)
    model = selector.strategy.model("GaussianNB()", seed=0)
    for x, label in [(0.0, "a"), (1.0, "b")]:
        model.learn({"x": x}, label)
    samples = [at_position(sample_of("customer", {"x": 0.5}), 0, offset) for offset in range(50)]
    scored = selector.score_many(model, samples, [0] * 50)
    assert len({one.utility for one in scored}) == 50
    assert [one.draw for one in scored] == [one.draw for one in samples]
