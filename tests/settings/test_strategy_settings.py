"""The settings of the query strategy, and the model and committee that they need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.pickling import dumps, loads
from stream_al.engine.strategies import STRATEGIES
from stream_al.errors import Misconfigured
from stream_al.messages import Example
from stream_al.service.engine_settings import fresh_learner, selector
from stream_al.settings import Settings, effective, load

BAYES = "model.definition=GaussianNB()"
COMMITTEE = "model.committee=[GaussianNB(), HoeffdingTreeClassifier(grace_period=10)]"
LINEAR = "model.definition=StandardScaler() | SoftmaxRegression()"


def read(*overrides: str) -> Settings:
    return load(overrides=overrides, environ={})


def mistake(*overrides: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        read(*overrides)
    (only,) = caught.value.mistakes
    return only


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_can_be_named_and_served(name: str) -> None:
    given = read(f"strategy={name}", COMMITTEE, LINEAR)
    learner = fresh_learner(given)
    for number in range(6):
        features = {"x": float(number)}
        learner.fold(Example(id=f"{number}", features=features, label=f"class {number % 2}"), number)
    arrival = selector(given).score(learner.model, "s", {"x": 2.5})
    assert 0.0 <= arrival.utility <= 1.0
    assert selector(given).strategy_name == name


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["strategy=margn"], "strategy: write one of .*; did you mean margin?"),
        (["strategy=margin * divresity"], "strategy: write one of .*; did you mean diversity?"),
        (["strategy=margin *"], r"strategy: write factors joined by \*"),
        (["strategy=margin^99"], "strategy: write a strength"),
        (["strategy=vote_entropy", BAYES], "strategy: vote_entropy needs several voters.* model.committee"),
        (["strategy=gradient_length"], "strategy: gradient_length needs a linear model.*model_change"),
        (["strategy=gradient_length", COMMITTEE], "strategy: gradient_length needs a linear model"),
        (["model.committee=[GaussianNB()]"], "model.committee: write two definitions or more"),
        (["model.committee=[GaussianNB(), GausianNB()]"], "model.committee: .*did you mean 'GaussianNB'"),
        (["class_target=spam"], "class_target: write a share from 0 to 1"),
        (["class_target=spam=2"], "class_target: write a share from 0 to 1"),
        (["class_target=spam=nan, ham=1"], "class_target: write a share from 0 to 1"),
        (["class_target=spam=0, ham=0"], "class_target: write a share above 0"),
        (['class_target={"spam": "much"}'], "class_target: write a share from 0 to 1"),
        (["class_target={" + "[" * 5000], "class_target: write a share from 0 to 1"),
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence_under_its_name(overrides: list[str], said: str) -> None:
    assert re.match(said.replace("?", r"\?"), mistake(*overrides))


def test_an_ensemble_needs_no_committee_and_a_committee_no_ensemble() -> None:
    read("strategy=margin * vote_entropy^0.5")  # the members of `auto` vote
    read("strategy=margin * vote_entropy^0.5", "model.definition=ARFClassifier(n_models=3)")
    read("strategy=margin * vote_entropy^0.5", COMMITTEE)


def test_a_mistake_in_the_model_hides_none_in_the_strategy() -> None:
    with pytest.raises(Misconfigured) as caught:
        read("model.definition=GausianNB()", "strategy=margn")
    assert [text.partition(":")[0] for text in caught.value.mistakes] == ["model.definition", "strategy"]


def test_a_target_is_read_in_any_of_its_forms(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("class_target: {spam: 0.25, 'a,b=c': 0.75}\n", encoding="utf-8")
    assert load(file, environ={}).target() == {"spam": 0.25, "a,b=c": 0.75}
    assert read("class_target=spam=0.25, a=b=0.75").target() == {"spam": 0.25, "a=b": 0.75}
    assert read().target() is None
    shown: Any = effective(load(file, environ={}))["class_target"]
    assert read(f"class_target={shown}").target() == {"spam": 0.25, "a,b=c": 0.75}


def test_the_target_reaches_the_strategy() -> None:
    shared = ("strategy=class_balance", "model.definition=GaussianNB()")
    one, other = (read(*shared, f"class_target={target}") for target in ("a=1, b=0", "a=0, b=1"))
    model = fresh_learner(one).model
    for number in range(20):
        model.learn({"x": number % 2 + number / 50}, "ab"[number % 2])
    seen = [selector(given).score(model, "s", {"x": 0.0}).utility for given in (one, other)]
    assert seen[0] > seen[1]


def test_a_snapshot_holds_everything_that_a_strategy_needs() -> None:
    """It is read by the restricted unpickler, which accepts only parts of models."""
    given = read(f"strategy={' * '.join(STRATEGIES)}", COMMITTEE, LINEAR)
    learner = fresh_learner(given)
    for number in range(30):
        features = {"x": float(number), "kind": 0.5}
        learner.fold(Example(id=f"{number}", features=features, label=number % 3), number)
    restored: Learner = loads(dumps(learner))
    assert restored.model.digest() == learner.model.digest()
    score = selector(given).score
    assert score(restored.model, "s", {"x": 7.5}) == score(learner.model, "s", {"x": 7.5})


def test_a_change_of_strategy_replays_only_if_the_learner_keeps_other_state() -> None:
    prints = [fresh_learner(read(f"strategy={text}")).model.fingerprint for text in ("margin", "random")]
    prints.append(fresh_learner(read(COMMITTEE, "strategy=margin")).model.fingerprint)
    assert len(set(prints)) == 1
    assert fresh_learner(read("strategy=density")).model.fingerprint not in prints
