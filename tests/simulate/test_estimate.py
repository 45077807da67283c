"""A long simulation says so before it begins, and says where it is while it runs."""

from __future__ import annotations

import io
import shlex
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from stream_al.datasets.rows import Row
from stream_al.engine.model.limits import Limits
from stream_al.invocation import again_with
from stream_al.simulate import command, estimate
from stream_al.simulate.cases import Case, Grid, Terms, cases
from stream_al.simulate.estimate import MOST_SECONDS, SAMPLES, fewer
from stream_al.simulate.progress import LINE_SECONDS, Shown
from stream_al.simulate.stream import Stream

TERMS = Terms(exploration=0.1, most_pending=100, limits=Limits(10))


def stream(samples: int) -> Stream:
    return Stream(
        "s", [Row({"x": k % 7}, "ab"[k % 2]) for k in range(samples)], list(map(float, range(samples)))
    )


def todo(*models: str, seeds: int = 1) -> list[Case]:
    grid = Grid(["margin"], ["stratified"], list(models), [0.1], ["0"], 0.0, range(seeds))
    return list(cases(grid))


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Let the first samples cost so many seconds, by model, and see nothing but the first samples."""
    costs = {"cheap": 0.1, "dear": 1.5, "none": 0.0}

    def simulate(case: Case, head: Stream, terms: Terms) -> Any:
        assert len(head.rows) == terms.warm_start + SAMPLES
        assert head.clock == list(range(len(head.rows)))
        return SimpleNamespace(seconds=costs[case.model])

    monkeypatch.setattr(estimate, "simulate", simulate)
    return costs


def test_the_estimate_is_the_cost_of_the_first_samples_over_all_samples_and_runs(
    costs: dict[str, float],
) -> None:
    runs = todo("cheap", "dear", seeds=3)
    found = estimate.costs(runs, stream(10 * SAMPLES), TERMS)
    assert found == pytest.approx([10 * costs[case.model] for case in runs])


def test_measuring_ends_and_counts_the_others_as_the_mean(costs: dict[str, float]) -> None:
    costs["dear"] = 2 * MOST_SECONDS
    runs = todo("dear", "cheap")
    assert runs[0].model == "dear"
    assert estimate.costs(runs, stream(10 * SAMPLES), TERMS) == pytest.approx(
        [10 * costs["dear"]] * len(runs)
    )


@pytest.mark.usefixtures("costs")
def test_a_short_comparison_is_not_measured() -> None:
    assert estimate.costs(todo("dear"), stream(2 * SAMPLES), TERMS) is None


def test_a_run_that_fails_is_left_to_fail_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("of the model")

    monkeypatch.setattr(estimate, "simulate", fail)
    assert estimate.costs(todo("any"), stream(50 * SAMPLES), TERMS) is None


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (["simulate", "a b.csv", "--json"], "stream-al simulate 'a b.csv' --json --samples 5"),
        (["simulate", "--samples", "90", "f"], "stream-al simulate f --samples 5"),
        (["simulate", "f", "--samples=90"], "stream-al simulate f --samples 5"),
    ],
)
def test_the_smaller_command_is_this_one_with_fewer_samples(
    words: list[str], again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py", *words])
    assert again_with("--samples", 5) == again
    monkeypatch.setattr(sys, "argv", [".venv/bin/stream-al", *words])
    assert shlex.split(again_with("--samples", 5))[0] == ".venv/bin/stream-al"


def test_a_long_comparison_is_announced_with_a_smaller_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stream_al.cli import main  # noqa: PLC0415

    monkeypatch.setattr(command, "costs", lambda todo, *_: [4000.0 / len(todo)] * len(todo))
    monkeypatch.setattr(
        sys, "argv", ["stream-al", "simulate", "--stream", "segments", "--model", "GaussianNB()"]
    )
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("this will take about 1.1 h or longer; with the first 500 of the 2,310 samples")
    assert said[1].endswith("simulate --stream segments --model 'GaussianNB()' --samples 500")


def test_without_a_terminal_a_line_now_and_then_says_how_much_is_left() -> None:
    now, out = 0.0, io.StringIO()
    console = Console(file=out, width=200)
    bar = Progress(console=console, disable=True)
    shown = Shown(console, bar, bar.add_task("", total=None), lambda: now)
    shown.reading(500)
    now += LINE_SECONDS
    shown.reading(1000)
    shown.begin("4 runs", 4000)
    for number in range(0, 4000, 10):
        now += LINE_SECONDS / 100
        shown.done(number)
    first, *lines = out.getvalue().splitlines()
    assert first == "reading: 1,000 rows"
    assert len(lines) == 4
    assert lines[-1] == "4 runs: 3,990 of 4,000 samples (100 %) in 40 s, about 0 s left"


def test_what_is_left_is_told_by_what_the_runs_cost() -> None:
    """A first run that costs nine times as much as the second one is nine tenths of the time."""
    now, out = 0.0, io.StringIO()
    console = Console(file=out, width=200)
    bar = Progress(console=console, disable=True)
    shown = Shown(console, bar, bar.add_task("", total=None), lambda: now)
    shown.begin("2 runs", 200, [90.0, 10.0])
    for seconds, number in ((45.0, 50), (90.0, 100), (95.0, 150)):
        now = seconds
        shown.done(number)
    left = [line.rpartition(", about ")[2] for line in out.getvalue().splitlines()]
    assert left == ["55 s left", "10 s left"]


def test_the_smaller_comparison_has_enough_samples_and_no_more_than_there_are() -> None:
    assert fewer(100, 1e9) == 100
    assert fewer(10**6, 1e9) == 500
    assert fewer(10**6, 600.0) == 100_000
