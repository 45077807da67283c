"""The laws of the command `stream-al simulate`."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_al.cli import main

FIELDS = [
    *("strategy", "manager", "model", "budget", "delay", "annotator_error", "annotators", "seed"),
    *("samples", "labels"),
    *("budget_spent", "worst_window", "accuracy", "kappa", "g_mean", "seconds"),
    *("per_query", "second_share", "audit", "classes"),
]
BASELINES = {"random", "periodic", "last-label", "majority", "all-labels"}
ROWS = [(k * 37 % 101, k * 61 % 89, k, k + 50, "up" if k * 37 % 101 > 50 else "down") for k in range(300)]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 samples of two classes that a line divides, with times in seconds."""
    path = tmp_path_factory.mktemp("simulate") / "recorded.csv"
    path.write_text("\n".join(["x,y,_at,_known,label", *(",".join(map(str, row)) for row in ROWS)]))
    return path


class Said:
    """What a command said."""

    def __init__(self, code: object, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def simulate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    for variable in [name for name in os.environ if name.startswith("STREAM_AL_")]:
        monkeypatch.delenv(variable)

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["stream-al", "simulate", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Said(ended.value.code, *capsys.readouterr())

    return run


def test_json_is_one_object_a_run_and_nothing_else(simulate: Any, recording: Path) -> None:
    """It has every combination and baseline, with the promised fields. The choice is on standard error."""
    models = "GaussianNB();HoeffdingTreeClassifier()"
    grid = ("--strategies", "margin,entropy", "--budgets", "0.05,0.1", "--delays", "0,20", "--models", models)
    done = simulate(recording, *grid, "--seeds", 2, "--annotator-error", 0.1, "--json")
    assert done.code == 0
    assert all(list(run) == FIELDS for run in done.runs)
    own = [run for run in done.runs if run["manager"] != "baseline"]
    assert len(own) == 2 * 2 * 2 * 2 * 2
    assert {run["strategy"] for run in done.runs if run["manager"] == "baseline"} == BASELINES
    assert {(run["budget"], run["delay"], run["seed"]) for run in own} == {
        (budget, delay, seed) for budget in (0.05, 0.1) for delay in ("0", "20") for seed in (0, 1)
    }
    assert all(run["samples"] == 300 and run["labels"] == round(300 * run["budget"]) for run in own)
    assert all(run["budget_spent"] == run["labels"] / 300 for run in done.runs)
    assert "At a budget of" in done.err


def test_the_table_ends_with_the_choice_and_yaml_that_the_service_takes(
    simulate: Any, recording: Path, tmp_path: Path
) -> None:
    done = simulate(recording, "--model", "GaussianNB()", "--budgets", "0.1")
    assert done.code == 0
    assert all(baseline in done.out for baseline in BASELINES)
    text = done.out[done.out.index("\nstrategy:") :]
    config = tmp_path / "settings.yaml"
    config.write_text(text)
    assert yaml.safe_load(text)["model"]["definition"] == "GaussianNB()"
    again = simulate(recording, "--config", config, "--json")
    chosen = [run for run in again.runs if run["manager"] != "baseline"]
    assert [(run["model"], run["budget"]) for run in chosen] == [("GaussianNB()", 0.1)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), ("model.objective=balanced", "model.objective='recall of fraud at precision 0.5'")),
        (("--set", "model.objective=balanced"), ("budget.share",)),
    ],
)
def test_a_rare_class_that_is_missed_comes_with_what_to_do(
    simulate: Any, tmp_path: Path, options: tuple[str, ...], says: tuple[str, ...]
) -> None:
    """Twelve frauds among 300 payments, and 15 labels: the table shows them, and the text the way out."""
    path = tmp_path / "payments.csv"
    lines = [f"{k * 37 % 101},{k * 61 % 89},{'fraud' if k % 25 == 7 else 'ok'}" for k in range(300)]
    path.write_text("\n".join(["x,y,label", *lines]))
    said = simulate(path, "--models", "GaussianNB()", *options)
    assert said.code == 0
    assert re.search(r"fraud +12 .*\d \(\d+ to \d+\)", said.out.replace("%", ""))
    text = " ".join(said.out.split())
    assert "The class fraud is rare (4.00% of the samples)" in text
    assert not [part for part in (*says, "stream-al labels import", "deploy/RECIPES.md") if part not in text]
    (run,) = [
        one
        for one in simulate(path, "--models", "GaussianNB()", "--json", *options).runs
        if "str" in one["manager"]
    ]
    rarest = run["classes"][0]
    assert (rarest["label"], rarest["samples"]) == ("fraud", 12)
    assert rarest["recall_interval"][0] <= rarest["recall"] <= rarest["recall_interval"][1]


def test_a_stream_of_one_class_is_said_to_be_one(simulate: Any, tmp_path: Path) -> None:
    path = tmp_path / "payments.csv"
    path.write_text("\n".join(["x,label", *(f"{k},ok" for k in range(60))]))
    said = simulate(path, "--models", "GaussianNB()")
    assert said.code == 0
    assert "every sample has the label ok" in said.err
    assert "--label" in said.err


def test_second_labels_are_compared_with_none_and_the_choice_can_be_loaded(
    simulate: Any, recording: Path, tmp_path: Path
) -> None:
    crew = ("--annotators", "ann: error=0.2; bob: error=0.2")
    asked = (recording, "--model", "GaussianNB()", "--budgets", "0.5", "--set", "labels.second_share=0.5")
    done = simulate(*asked, *crew, "--json")
    own = [run for run in done.runs if run["manager"] != "baseline"]
    assert [run["second_share"] for run in own] == [0.0, 0.5]
    none, some = (run["audit"] for run in own)
    assert none["second"] == 0 < some["second"]
    assert all(run["labels"] == run["audit"]["first"] + run["audit"]["second"] == 150 for run in own)
    table = simulate(*asked, *crew)
    assert "contradicted" in table.out
    assert table.out.count("second_share") >= 2  # the measures, and the labels
    config = tmp_path / "settings.yaml"
    config.write_text(table.out[table.out.index("\nstrategy:") :])
    assert simulate(recording, "--config", config, *crew, "--json").code == 0
    alone = simulate(*asked)
    assert "one annotator gives all labels" in alone.err
    assert "second_share" not in alone.out


def test_columns_that_begin_with_an_underscore_are_no_features(
    simulate: Any, recording: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(["x,y,label", *(f"{x},{y},{label}" for x, y, _, _, label in ROWS)]))
    found = [simulate(path, "--model", "GaussianNB()", "--json").runs for path in (recording, bare)]
    for run in [*found[0], *found[1]]:
        del run["seconds"]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("delay", "options"),
    [
        ("50s", ("--time", "_at")),
        ("50m", ("--time", "_at", "--time-unit", "m")),
        ("column", ("--time", "_at", "--label-time", "_known")),
    ],
)
def test_delays_in_samples_time_and_columns_agree(
    simulate: Any, recording: Path, delay: str, options: tuple[str, ...]
) -> None:
    """There is a sample per second, so with a delay of 50 seconds there are 49 samples in between."""
    runs = simulate(recording, "--delays", f"49,{delay}", *options, "--model", "GaussianNB()", "--json").runs
    by_delay: dict[str, list[dict[str, Any]]] = {"49": [], delay: []}
    for run in runs:
        del run["seconds"]
        by_delay[run.pop("delay")].append(run)
    assert by_delay["49"] == by_delay[delay]
    assert len(runs) == 2 * 6


def test_a_dataset_of_river_can_be_simulated(simulate: Any) -> None:
    done = simulate("--stream", "segments", "--samples", 200, "--warm-start", 50, "--json")
    assert {run["samples"] for run in done.runs} == {150}


def test_the_caps_of_the_settings_bind(simulate: Any, recording: Path) -> None:
    done = simulate(
        recording, "--budgets", "0.5", "--set", "budget.total=7", "--model", "GaussianNB()", "--json"
    )
    assert [run["labels"] for run in done.runs if run["manager"] == "stratified"] == [7]


def test_a_model_that_fails_is_reported(simulate: Any, tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("\n".join(["word,label", *(f"w{k % 7},{k % 2}" for k in range(60))]))
    done = simulate(path, "--model", "GaussianNB()", "--budgets", "0.5")
    assert done.code == 0
    assert re.search(r"GaussianNB\(\) failed \d+ times in 60 samples", done.err)


# --- the report ------------------------------------------------------------------------------------------


def test_the_report_is_one_page_that_contains_everything(
    simulate: Any, recording: Path, tmp_path: Path
) -> None:
    """A figure for each model, budget and delay and one over the budgets; no link, no script."""
    path = tmp_path / "out.html"
    models = "GaussianNB();StandardScaler() | LogisticRegression()"
    done = simulate(recording, "--budgets", "0.05,0.1", "--seeds", 2, "--models", models, "--report", path)
    assert done.code == 0, done.err
    page = path.read_text()
    assert page.count("<svg") == 2 * 2 + 2
    assert not re.search(r"<script|<link|<img|src=|@import", page)
    for words in (
        "accuracy",
        "kappa",
        "G-mean",
        "rarest recall",
        "budget spent",
        "all-labels",
        "margin, stratified",
        "strategy:",
    ):
        assert words in page


def test_the_same_runs_give_the_same_page(simulate: Any, recording: Path, tmp_path: Path) -> None:
    """Only the seconds differ."""
    pages = []
    for name in ("one.html", "other.html"):
        simulate(recording, "--model", "GaussianNB()", "--samples", 100, "--report", tmp_path / name)
        pages.append(re.sub(r"<td>[0-9.]+</td></tr>", "", (tmp_path / name).read_text()))
    assert pages[0] == pages[1]


def test_a_name_cannot_write_into_the_page(simulate: Any, recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "<b>&.csv"
    path.write_text(recording.read_text())
    simulate(path, "--samples", 60, "--model", "GaussianNB()", "--report", tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text()
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;.csv" in page


def test_without_matplotlib_it_says_what_to_install_before_anything_runs(
    simulate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "matplotlib" else find(name, *rest)
    )
    done = simulate("no.csv", "--report", tmp_path / "out.html")
    assert (done.code, done.out) == (2, "")
    assert "stream_al[plots]" in done.err


# --- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--strategies", "margni"),
            "--strategies: write one of .*margin",
        ),
        (("--strategies", ","), "--strategies: write at least one"),
        (("--managers", "bank"), "--managers: write one of .*stratified"),
        (("--models", "Oracle()"), "--models: .*Oracle"),
        (("--models", "GaussianNB();LinearRegression()"), "--models: .*a regressor"),
        (("--budgets", "-0.1"), "--budgets: write a number > 0 and <= 1, such as 0.05, not .-0.1."),
        (("--budgets", "0.1,nan"), "--budgets: write a number"),
        (("--budgets", "5%"), "--budgets: write a number"),
        (("--delays", "5x"), "--delays: write .* not '5x'"),
        (("--delays", "-5"), "--delays: write .* not '-5'"),
        (("--delays", "10m"), "--delays: 10m needs --time COLUMN"),
        (("--set", "budget.per_hour=9"), "--time: name the column with the time of each sample"),
        (("--delays", "column", "--time", "_at"), "--delays: column needs --label-time COLUMN"),
        (("--time", "when"), "--time: there is no column 'when'; there are x, y, _at, _known"),
        (("--time", "label"), "--time: name a column of numbers or of times .* 'label'"),
        (("--time-unit", "w"), "--time-unit: write one of s, m, h, d, not 'w'"),
        (("--label", "truth"), "there is no column 'truth'; there are x, y, _at, _known, label"),
        (("--label", "lable"), "there is no column 'lable'; did you mean 'label'?"),
        (("--annotator-error", "1.5"), "--annotator-error: write a share from 0 to 1, not 1.5"),
        (("--annotator-error", "nan"), "--annotator-error: write a share"),
        (("--annotators", "ada: error=2"), "--annotators: write error=0.1"),
        (("--annotators", "ada", "--annotator-error", "0.1"), "--annotator-error: write error="),
        (("--annotators", "ada: delay=5"), "--annotators: .* need --time COLUMN"),
        (("--annotators", "ada: delay=5", "--delays", "3", "--time", "_at"), "--delays: leave it out"),
        (("--annotators", "ada: confuse=up>left:0.1"), "--annotators: the stream has no class 'left'"),
        (("--seeds", "0"), "--seeds: write a number of at least 1, not 0"),
        (("--jobs", "0"), "--jobs: write a number of at least 1"),
        (("--samples", "0"), "--samples: write a number of at least 1"),
        (("--warm-start", "-1"), "--warm-start: write a number of at least 0"),
        (("--warm-start", "300"), "--warm-start: write less than the 300 samples"),
        (("--measure", "f1"), "--measure: write one of accuracy, kappa, g_mean, not 'f1'"),
        (("--from", "2026-01-01"), "--from, --to: they are a range of a --topic"),
        (("--stream", "shuttle"), "name one stream"),
        (("--topic", "samples"), "name one stream"),
        (("--report", "/no/such/directory/out.html"), "--report: name a file in a directory that exists"),
        (("--set", "budget.shar=1"), "budget.shar: there is no such setting"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_one_sentence_that_names_the_option(
    simulate: Any, recording: Path, options: tuple[str, ...], said: str
) -> None:
    done = simulate(recording, *options)
    assert (done.code, done.out) == (2, "")
    assert re.search(said, done.err)
    assert len(done.err.splitlines()) == 1
    assert "(the command line)" not in done.err or "--set" in options


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name one stream: a FILE, --stream shuttle, or --topic TOPIC"),
        (("--stream", "river"), "--stream: write shuttle or segments, not 'river'"),
        (("/no/such/file.csv",), "there is no such file"),
        (("--topic", "samples", "--from", "soon"), "--from: write a time such as"),
    ],
)
def test_a_mistake_about_the_stream_is_one_sentence(simulate: Any, words: tuple[str, ...], said: str) -> None:
    done = simulate(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(("content", "said"), [("", "it is empty"), ("x,label\n", "no sample with a label")])
def test_an_empty_file_is_refused(simulate: Any, tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(content)
    done = simulate(path)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_annotators_label_in_their_time(simulate: Any, recording: Path) -> None:
    """A delay of the annotators gives what the same label delay gives, and the table says so."""
    grid = ("--model", "GaussianNB()", "--time", "_at", "--json")
    timed = simulate(recording, *grid, "--annotators", "ada: delay=49").runs
    plain = simulate(recording, *grid, "--delays", "49s").runs
    assert [run["accuracy"] for run in timed] == [run["accuracy"] for run in plain]
    assert {(run["annotators"], run["delay"]) for run in timed} == {("ada: delay=49", "annotators")}
    shown = simulate(recording, *grid[:-1], "--annotators", "ada: delay=49").out
    assert "labels as annotators give them" in shown
