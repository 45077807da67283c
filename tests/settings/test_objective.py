"""The setting of the objective, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_al.engine.model.objective import Balanced, RecallAtPrecision
from stream_al.errors import Misconfigured
from stream_al.service.engine_settings import fresh_learner, selector
from stream_al.settings import ModelSettings, Settings, load

RECALL = "recall of fraud at precision 0.5"


def read(*overrides: str) -> Settings:
    return load(overrides=overrides, environ={})


def test_the_strategy_follows_the_objective_unless_it_is_set(tmp_path: Path) -> None:
    assert read().strategy == read("model.objective=accuracy").strategy == "margin"
    assert read("model.objective=balanced").strategy == "class_balance"
    assert read(f"model.objective={RECALL}").strategy == "class_balance"
    assert read("model.objective=balanced", "strategy=margin").strategy == "margin"
    file = tmp_path / "settings.yaml"
    file.write_text("model: {objective: balanced}\n", encoding="utf-8")
    assert load(file, environ={}).strategy == "class_balance"
    assert load(file, ["strategy=entropy"], environ={}).strategy == "entropy"
    assert load(environ={"STREAM_AL_MODEL__OBJECTIVE": "balanced"}).strategy == "class_balance"
    assert Settings(model=ModelSettings(objective="balanced")).strategy == "class_balance"
    assert Settings().strategy == "margin"


def test_the_objective_reaches_the_learner_and_the_selector() -> None:
    given = read(f"model.objective={RECALL}")
    learner = fresh_learner(given)
    assert isinstance(learner.rule, RecallAtPrecision)
    assert (learner.rule.objective, learner.rule.wanted, learner.rule.precision) == (RECALL, "fraud", 0.5)
    assert selector(given).strategy_name == "class_balance"
    assert isinstance(fresh_learner(read("model.objective=balanced")).rule, Balanced)


@pytest.mark.parametrize("text", ["balance", "recall of fraud", "recall of fraud at precision 1.5", "'1'"])
def test_an_objective_that_does_not_exist_is_one_sentence_with_an_example(text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(f"model.objective={text}")
    (only,) = caught.value.mistakes
    assert only.startswith("model.objective: write accuracy, balanced, or recall of CLASS")
