"""The laws of many runs, and of the choice among them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest
import yaml

from stream_al import settings as app_settings
from stream_al.datasets.rows import Row
from stream_al.engine.budgets.caps import Caps
from stream_al.engine.model.limits import Limits
from stream_al.engine.trust.again import Wanted
from stream_al.errors import Misconfigured, Unavailable
from stream_al.simulate.baselines import ALL_LABELS, BASELINE, LAST_LABEL, MAJORITY, PERIODIC, RANDOM
from stream_al.simulate.cases import NO_MODEL, Case, Grid, Result, Terms, cases, simulate
from stream_al.simulate.choice import choose, sentence
from stream_al.simulate.class_scores import ClassScore
from stream_al.simulate.jobs import results
from stream_al.simulate.results.table import sections
from stream_al.simulate.stream import Stream

ROWS = [Row({"x": k * 37 % 101, "y": k * 61 % 89}, "up" if k * 37 % 101 > 50 else "down") for k in range(400)]
STREAM = Stream("lines", ROWS)
SCORES = (ClassScore("up", 40, 4, 0.5, 0.5),)
TERMS = Terms(exploration=0.1, most_pending=1000, limits=Limits(100))
GRID = Grid(
    strategies=["margin", "random"],
    managers=["stratified"],
    models=["GaussianNB()", "HoeffdingTreeClassifier(grace_period=20)"],
    budgets=[0.05, 0.1],
    delays=["0", "30"],
    annotator_error=0.1,
    seeds=[0, 1],
)


def outcome(result: Result) -> Result:
    """All but the time that it took."""
    return replace(result, seconds=0.0)


def test_a_grid_is_every_combination_and_its_baselines_once() -> None:
    found = list(cases(GRID))
    assert len(set(found)) == len(found)
    counts = Counter(case.strategy for case in found if case.is_baseline)
    assert counts == {RANDOM: 16, PERIODIC: 16, LAST_LABEL: 8, MAJORITY: 8, ALL_LABELS: 8}
    assert sum(not case.is_baseline for case in found) == 2 * 2 * 2 * 2 * 2


def test_caps_on_the_number_of_labels_bind_strategies_and_not_baselines() -> None:
    """Caps go by the stream's clock. Here a sample comes every ten minutes."""
    timed = replace(STREAM, clock=[600.0 * k for k in range(len(ROWS))])
    case = Case("margin", "stratified", "GaussianNB()", 0.5, "0", 0.0, 0)
    for caps, most in (
        (Caps(), 200),
        (Caps(total=7), 7),
        (Caps(per_hour=1), 67),
        (Caps(per_hour=2, total=90), 90),
    ):
        assert simulate(case, timed, replace(TERMS, caps=caps)).labels == most
    random = replace(case, strategy=RANDOM, manager=BASELINE)
    assert simulate(random, timed, replace(TERMS, caps=Caps(total=7))).labels == 200


def test_any_number_of_jobs_gives_the_same_in_the_same_order() -> None:
    """And progress rises to all samples of all runs."""
    chosen = list(cases(replace(GRID, budgets=[0.1], seeds=[1])))
    found = []
    for jobs in (1, 2):
        seen: list[int] = []
        found.append([outcome(result) for result in results(chosen, STREAM, TERMS, jobs, seen.append)])
        assert seen == sorted(seen)
        assert seen[-1] == len(chosen) * len(ROWS)
    assert found[0] == found[1]
    assert [result.case for result in found[0]] == chosen


def run(strategy: str = "margin", manager: str = "stratified", **given: object) -> Result:
    case = Case(strategy, manager, "GaussianNB()", 0.1, "0", 0.0, 0)
    return simulate(replace(case, **given), STREAM, TERMS)  # type: ignore[arg-type]


def test_a_run_says_what_was_bought() -> None:
    result = run()
    assert result.samples == 400
    assert result.labels == 40
    assert result.budget_spent == 0.1
    assert 1.0 <= result.worst_window <= 1.1
    assert (result.curve[-1].labels, result.curve[-1].accuracy) == (40, result.accuracy)


def test_a_run_has_the_promised_fields() -> None:
    record = run().record()
    assert list(record) == [
        *("strategy", "manager", "model", "budget", "delay", "annotator_error", "annotators", "seed"),
        *("samples", "labels"),
        *("budget_spent", "worst_window", "accuracy", "kappa", "g_mean", "seconds"),
        *("per_query", "second_share", "audit", "classes"),
    ]
    assert {score["label"] for score in record["classes"]} == {"down", "up"}
    assert sum(score["samples"] for score in record["classes"]) == record["samples"]
    assert sum(score["labels"] for score in record["classes"]) == record["labels"]


def test_baselines_spend_what_was_asked_and_all_labels_everything() -> None:
    for strategy in (RANDOM, PERIODIC):
        assert run(strategy, BASELINE).budget_spent == 0.1
    for strategy in (LAST_LABEL, MAJORITY):
        assert run(strategy, BASELINE, model=NO_MODEL).budget_spent == 0.1
    every = run(ALL_LABELS, BASELINE, budget=1.0)
    assert (every.labels, every.worst_window) == (400, 1.0)
    assert every.accuracy > run(MAJORITY, BASELINE, model=NO_MODEL).accuracy


def test_wrong_labels_make_every_buyer_worse() -> None:
    for strategy, manager in (("margin", "stratified"), (ALL_LABELS, BASELINE)):
        assert run(strategy, manager, annotator_error=0.45).accuracy < run(strategy, manager).accuracy


def test_a_warm_start_is_neither_predicted_nor_paid() -> None:
    warm = simulate(
        Case("margin", "stratified", "GaussianNB()", 0.1, "0", 0.0, 0), STREAM, replace(TERMS, warm_start=100)
    )
    assert (warm.samples, warm.labels) == (300, 30)
    assert warm.curve[0].accuracy > run().curve[0].accuracy == 0.0


def failing(case: Case, *given: object) -> Result:
    raise ZeroDivisionError("division\nby zero")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_fails_is_one_sentence_that_names_it(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a worker the reason is an unknown manager; in this process it is any error."""
    unknown = Case("margin", "bank", "GaussianNB()", 0.1, "0", 0.0, 0)
    if jobs == 1:
        monkeypatch.setattr("stream_al.simulate.jobs.simulate", failing)
    with pytest.raises(Misconfigured) as caught:
        list(results([unknown, unknown], STREAM, TERMS, jobs))
    assert "the run of margin, bank, GaussianNB(), budget 0.1, delay 0 failed" in str(caught.value)
    assert "\n" not in str(caught.value)


class Deadly:
    """A stream that ends whoever unpickles it."""

    rows = ROWS

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (9,)


def test_a_process_that_dies_is_reported() -> None:
    case = Case("margin", "stratified", "GaussianNB()", 0.1, "0", 0.0, 0)
    with pytest.raises(Unavailable, match="--jobs"):
        list(results([case, case], Deadly(), TERMS, 2))  # type: ignore[arg-type]


# --- the choice ------------------------------------------------------------------------------------------


def result(strategy: str, seed: int, accuracy: float, **given: object) -> Result:
    manager = BASELINE if strategy in (RANDOM, ALL_LABELS) else "stratified"
    budget = 1.0 if strategy == ALL_LABELS else 0.1
    case = replace(Case(strategy, manager, "GaussianNB()", budget, "0", 0.0, seed), **given)  # type: ignore[arg-type]
    return Result(case, 100, 10, 0.1, 1.0, accuracy, accuracy / 2, 1 - accuracy, SCORES, 0.1, (), 0, "")


BASELINES = [result(RANDOM, 0, 0.6), result(ALL_LABELS, 0, 0.9)]


def test_the_best_mean_rank_wins_and_one_large_difference_does_not_outvote_it() -> None:
    found = [*BASELINES]
    for seed, (one, other) in enumerate([(0.71, 0.70), (0.71, 0.70), (0.50, 0.90)]):
        found += [result("margin", seed, one), result("entropy", seed, other)]
    (choice,) = choose(found, "accuracy")
    assert (choice.strategy, choice.compared) == ("margin", 2)
    assert (choice.random, choice.all_labels) == (0.6, 0.9)


def test_among_equal_ranks_the_higher_mean_wins() -> None:
    found = [*BASELINES, result("margin", 0, 0.7), result("entropy", 0, 0.6)]
    found += [result("margin", 1, 0.7), result("entropy", 1, 0.9)]
    assert choose(found, "accuracy")[0].strategy == "entropy"


def test_another_measure_may_choose_another() -> None:
    found = [*BASELINES, result("margin", 0, 0.7), result("entropy", 0, 0.6)]
    assert choose(found, "g_mean")[0].strategy == "entropy"
    assert choose(found, "kappa")[0].strategy == "margin"


def test_each_budget_has_its_choice_and_its_own_baselines() -> None:
    found = [*BASELINES, result(RANDOM, 0, 0.1, budget=0.01), result("margin", 0, 0.7)]
    found += [result("entropy", 0, 0.2, budget=0.01)]
    small, large = choose(found, "accuracy")
    assert (small.budget, small.strategy, small.random) == (0.01, "entropy", 0.1)
    assert (large.budget, large.strategy, large.random) == (0.1, "margin", 0.6)


def test_a_setting_that_overspends_is_not_chosen() -> None:
    """If there is no other setting, it is chosen, and the sentence says what it spends."""
    dear = replace(result("entropy", 0, 0.9), labels=13)
    (choice,) = choose([*BASELINES, result("margin", 0, 0.7), dear], "accuracy")
    assert (choice.strategy, choice.compared, choice.overspent) == ("margin", 2, 1)
    assert "1 of which spend more" in sentence(choice)
    (choice,) = choose([*BASELINES, dear], "accuracy")
    assert (choice.strategy, choice.overspent) == ("entropy", 1)
    assert "It spends 13.0%" in sentence(choice)


def test_a_choice_that_is_no_better_than_random_says_so() -> None:
    verdicts = []
    for accuracy in (0.55, 0.65):
        (choice,) = choose([*BASELINES, result("margin", 0, accuracy)], "accuracy")
        verdicts.append("Random labels did no worse" in sentence(choice))
    assert verdicts == [True, False]


def test_the_yaml_of_a_choice_can_be_loaded_as_settings() -> None:
    """With them the service does what was simulated."""
    (choice,) = choose([*BASELINES, result("margin", 0, 0.7)], "accuracy")
    values = yaml.safe_load(choice.settings(0.1))
    flat = {"strategy": values["strategy"], "model.definition": values["model"]["definition"]}
    flat |= {f"budget.{name}": value for name, value in values["budget"].items()}
    given = app_settings.load(overrides=[f"{path}={value}" for path, value in flat.items()], environ={})
    assert (given.strategy, given.model.definition) == ("margin", "GaussianNB()")
    assert (given.budget.share, given.budget.manager, given.budget.exploration) == (0.1, "stratified", 0.1)


def test_the_yaml_of_a_choice_names_an_objective_that_is_not_the_default() -> None:
    (choice,) = choose([*BASELINES, result("margin", 0, 0.7)], "accuracy")
    assert "objective" not in choice.settings(0.1, "accuracy")
    assert yaml.safe_load(choice.settings(0.1, "balanced"))["model"]["objective"] == "balanced"


def test_the_yaml_of_a_choice_names_second_labels_and_so_does_its_sentence() -> None:
    some = [
        result("margin", 0, accuracy, wanted=Wanted(2, share)) for share, accuracy in ((0, 0.7), (0.1, 0.8))
    ]
    (choice,) = choose([*BASELINES, result("margin", 0, 0.6), *some], "accuracy")
    assert choice.compared == 3
    assert yaml.safe_load(choice.settings(0.1))["labels"] == {"per_query": 2, "second_share": 0.1}
    assert "per_query 2, second_share 0.1" in sentence(choice)
    (plain,) = choose([*BASELINES, result("margin", 0, 0.9), *some], "accuracy")
    assert "labels" not in yaml.safe_load(plain.settings(0.1))


def test_every_run_is_in_the_table_best_first() -> None:
    chosen = list(cases(replace(GRID, models=["GaussianNB()"], delays=["0"])))
    found = list(results(chosen, STREAM, TERMS, jobs=1))
    for section in sections(found, "accuracy"):
        means = [row.mean("accuracy") for row in section.rows]
        assert means == sorted(means, reverse=True)
        assert len(section.rows) == 2 + 2 + 2 + 1
        assert all(len(row.runs) == 2 for row in section.rows)
    assert len(sections(found, "accuracy")) == 2
    assert NO_MODEL not in {row.case.model for row in section.rows if row.case.strategy == RANDOM}


def test_a_river_model_learns_no_more_features_than_the_settings_say() -> None:
    """The bound of `model.max_features` holds in a simulation as in the service."""
    few = replace(TERMS, limits=Limits(features=1, pairs=2))
    case = Case("margin", "stratified", "GaussianNB()", 0.5, "0", 0.0, 0)
    baseline = replace(case, strategy=ALL_LABELS, manager=BASELINE)
    for one in (case, baseline):
        whole = simulate(one, STREAM, TERMS).curve
        for terms in (few, replace(TERMS, limits=Limits(features=1)), replace(TERMS, limits=Limits(pairs=2))):
            assert simulate(one, STREAM, terms).curve != whole
