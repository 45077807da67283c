"""Laws of the comparison: its statistics are those of the textbooks, and resuming it changes nothing."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import copytree
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from subprocess import PIPE, Popen
from time import sleep
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import metrics
from scipy.stats import false_discovery_control, ttest_1samp

from tests.benchmarks.efficiency import jobs
from tests.benchmarks.efficiency.claims import claims
from tests.benchmarks.efficiency.comparison import (
    benjamini_hochberg,
    cases,
    holm,
    mean_ranks,
    paired_t,
    sign_flip,
)
from tests.benchmarks.efficiency.plan import Plan
from tests.benchmarks.efficiency.plan import jobs as planned
from tests.benchmarks.efficiency.policies import policy
from tests.benchmarks.efficiency.scores import Scoreboard, most_in_window
from tests.benchmarks.efficiency.streams import fingerprint
from tests.benchmarks.efficiency.summary import summarise
from tests.benchmarks.efficiency.tables import markdown
from tests.support.children import PATIENCE_SECONDS

PUBLISHED = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
PUBLISHED += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
"""The 15 p values of Benjamini and Hochberg 1995, section 4. It rejects four, Bonferroni's three."""


def _lines(accuracies: dict[str, list[list[float]]], **more: Any) -> list[dict[str, Any]]:
    """Invented results, given as policy to stream to seed to accuracy."""
    base = {"learner": "nb", "budget": 0.05, "delay": 0, "error": 0.0, "samples": 1000, "labels": 50}
    base |= {"kappa": 0.0, "g_mean": 0.0, "budget_spent": 0.05, "budget_error": 0.0, "seconds": 1.0}
    base |= {"within_budget": True, "window_held": True, "burst": 1.0, "minority_recall": 0.0}
    return [
        {**base, "policy": name, "stream": f"s{k}", "seed": seed, "accuracy": accuracy, **more}
        for name, streams in accuracies.items()
        for k, seeds in enumerate(streams)
        for seed, accuracy in enumerate(seeds)
    ]


def test_mean_ranks_of_an_invented_example() -> None:
    """Scores are averaged over common seeds, ranked within a case, and ranks averaged over common cases."""
    table = cases(
        _lines(
            {
                "a": [[0.9, 0.1], [0.5], [0.6]],
                "b": [[0.8], [0.5], [0.7]],
                "c": [[0.7], [0.4]],
            }
        )
    )
    assert mean_ranks(table, ["a", "b", "c"]) == {"a": 1.25, "b": 1.75, "c": 3.0}
    assert mean_ranks(table, ["a", "b"]) == pytest.approx({"a": 4.5 / 3, "b": 4.5 / 3})


def test_holm_on_textbook_numbers() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert sum(p < 0.05 for p in holm(PUBLISHED)) == 3


def test_benjamini_hochberg_on_the_published_example() -> None:
    assert sum(p < 0.05 for p in benjamini_hochberg(PUBLISHED)) == 4
    assert benjamini_hochberg(PUBLISHED[::-1]) == pytest.approx(false_discovery_control(PUBLISHED[::-1]))


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=10))
@settings(derandomize=True, deadline=None)
def test_paired_tests_agree_with_scipy_and_ignore_the_sign(differences: list[float]) -> None:
    if len(set(differences)) > 1:
        assert paired_t(differences) == pytest.approx(float(ttest_1samp(differences, 0).pvalue), abs=1e-9)
    mirrored = [-value for value in differences]
    assert paired_t(mirrored) == paired_t(differences)
    assert sign_flip(mirrored) == sign_flip(differences)
    assert sign_flip(differences) >= 2 / 2 ** len(differences)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=3, max_size=60))
@settings(derandomize=True, deadline=None)
def test_scores_are_those_of_river(pairs: list[tuple[int, int]]) -> None:
    river_metrics: Any = metrics  # without types
    scoreboard, river = Scoreboard([0, 1, 2]), [river_metrics.Accuracy(), river_metrics.CohenKappa()]
    for truth, said in pairs:
        scoreboard.predicted(truth, said)
        for metric in river:
            metric.update(truth, said)
    scores = scoreboard.scores([], [], 0.1, None)
    assert scores["accuracy"] == pytest.approx(river[0].get(), abs=1e-5)
    assert scores["kappa"] == pytest.approx(river[1].get(), abs=1e-5)


@given(st.sets(st.integers(0, 80)), st.integers(1, 30))
@settings(derandomize=True, deadline=None)
def test_the_fullest_window_is_found(positions: set[int], length: int) -> None:
    brute = max(sum(first <= p < first + length for p in positions) for first in range(81))
    assert most_in_window(sorted(positions), length) == brute


def test_a_clear_loss_on_one_case_is_found_among_many() -> None:
    """The second claim can fail, and then the case is named."""
    jitter = [0.0, 0.001, -0.001, 0.002, -0.002, 0.001, 0.0, -0.001, 0.002, -0.002]
    even = [[0.8 + x for x in jitter] for _ in range(50)]
    ours = [[*row] for row in even]
    ours[7] = [0.77 - x for x in jitter]
    summary = summarise(lines := _lines({"ours": ours, "random": even}))
    assert [case["stream"] for case in summary["worse"]["ours"]] == ["s7"]
    assert claims(lines, summary)[1]["passed"] is False
    assert "FAILS" in markdown(summary, claims(lines, summary))


def test_claims_follow_from_the_numbers() -> None:
    """A policy that is better and keeps its budget passes 1 to 3. Without runs there is no verdict."""
    good = _lines({"ours": [[0.9, 0.91]], "random": [[0.8, 0.82]]})
    assert [c["passed"] for c in claims(good, summarise(good))] == [True, True, True, None, None, None]
    spent = [{**line, "within_budget": False, "window_held": False} for line in good]
    assert claims(spent, summarise(spent))[2]["passed"] is False


PLAN = Plan(
    None,
    ("river_bananas", "sea"),
    ("nb",),
    ("ours", "moa_variable"),
    (0.1,),
    (0, 50),
    seeds=2,
    baseline_seeds=2,
    samples=150,
)


def test_a_resumed_comparison_has_the_results_of_an_uninterrupted_one(tmp_path: Path) -> None:
    """With half a file and a torn last line, only the missing jobs run, and the results are the same."""
    file = tmp_path / "results.jsonl"
    ran: list[jobs.Job | None] = []

    def run() -> list[dict[str, Any]]:
        ran.clear()
        found = jobs.run_all(planned(PLAN), jobs.Known(file), 1, lambda job, _: ran.append(job))
        return [{k: v for k, v in line.items() if k != "seconds"} for line in found]

    whole = run()
    lines = file.read_text().splitlines()
    assert len(lines) == len(ran) - 1
    file.write_text("\n".join(lines[:5]) + "\n" + lines[5][:40])
    assert run() == whole
    assert len(ran) - 1 == len(lines) - 5
    assert run() == whole
    assert ran == [None]


def test_a_key_changes_with_everything_that_a_result_depends_on(tmp_path: Path) -> None:
    job = planned(PLAN)[0]
    others = [replace(job, seed=1), replace(job, delay=7), replace(job, error=0.2), replace(job, samples=9)]
    others += [replace(job, policy=text) for text in ("random", "x=margin:stratified:0.5")]
    assert len({j.key() for j in [job, *others]}) == 7
    (tmp_path / "a.csv").write_text("x,label\n1,0\n")
    one = replace(job, stream="a", data=str(tmp_path)).key()
    (tmp_path / "a.csv").write_text("x,label\n2,0\n")
    fingerprint.cache_clear()
    assert replace(job, stream="a", data=str(tmp_path)).key() != one


def test_after_a_change_of_the_engine_only_our_own_policies_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A change of the learner is an exception, because all policies use it."""
    engine = tmp_path / "engine"
    copytree(jobs.ENGINE, engine)
    monkeypatch.setattr(jobs, "ENGINE", engine)
    request.addfinalizer(jobs.code.cache_clear)
    rules = ("ours", "x=margin:stratified:0.5", "random", "moa_variable", "vw_iwal")
    seen: list[dict[str, str]] = []
    for file in (None, "selector.py", "budgets/stratified.py", "model/model.py"):
        if file is not None:
            (engine / file).write_text((engine / file).read_text() + "# changed")
        jobs.code.cache_clear()
        seen.append({text: replace(planned(PLAN)[0], policy=text).key() for text in rules})
    changed = [{text for text in rules if a[text] != b[text]} for a, b in pairwise(seen)]
    assert changed == [{*rules[:2]}, {*rules[:2]}, {*rules}]


def test_a_baseline_runs_again_only_after_a_change_of_its_own_module() -> None:
    files = {
        name: {path.name for path in jobs.sources(policy(name)[1])}
        for name in ("ours", "moa_fixed", "vw_iwal")
    }
    own = {"ours": "ours.py", "moa_fixed": "moa.py", "vw_iwal": "formulas.py"}
    for name, found in files.items():
        assert found & {*own.values()} == {own[name]}


def test_one_run_holds_for_all_seeds_only_if_nothing_is_drawn() -> None:
    drawn = {(j.stream, j.policy): j.drawn().seed for j in planned(PLAN) if j.seed == 1}
    fixed = ("river_bananas", "moa_variable")
    assert drawn.pop(fixed) == 0
    assert set(drawn.values()) == {1}
    assert ("sea", "moa_variable") in drawn


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
@pytest.mark.parametrize("end", [SIGTERM, pytest.param(SIGINT, marks=pytest.mark.long)])
def test_workers_end_with_their_parent_and_the_comparison_can_be_resumed(
    tmp_path: Path, end: Signals
) -> None:
    """All workers share the output, which ends when the last of them ends, though jobs are left.

    A shell that starts a command in the background lets it ignore SIGINT. It can be interrupted all the same.
    """
    file = tmp_path / "results.jsonl"
    options = "--streams sea --learners nb --policies ours --budgets 0.1 --samples 2000 --seeds 99 --delays 0"
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    command = [*background, sys.executable, "tests/benchmarks/label_efficiency.py", *options.split()]
    command += ["--jobs", "2", "--out", str(file)]
    root = Path(__file__).parents[2]
    with Popen(command, cwd=root, stdout=PIPE, stderr=PIPE, start_new_session=True) as parent:  # noqa: S603
        try:
            while not (file.exists() and file.stat().st_size) and parent.poll() is None:
                sleep(0.05)
            parent.send_signal(end)
            parent.communicate(timeout=PATIENCE_SECONDS)  # fails if the workers live on
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, SIGKILL)
    plan = Plan(None, ("sea",), ("nb",), ("ours",), (0.1,), (0,), seeds=99, samples=2000)
    keys = {job.key() for job in planned(plan)}
    known = jobs.Known(file)
    assert known.lines
    assert set(known.lines) <= keys
