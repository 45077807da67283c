"""The laws of the demo."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from rich.console import Console

from stream_al.client import Client, Unreachable
from stream_al.datasets.rows import Row
from stream_al.demo.annotator import Colleagues, TopicAnnotators
from stream_al.demo.counterfactuals import prequential
from stream_al.demo.ending import Interrupted, notes
from stream_al.demo.scoreboard import Scoreboard
from stream_al.demo.session import Demo, Summary
from stream_al.demo.view import report, report_of_part
from stream_al.engine.model.model import Model
from stream_al.messages import Label, ModelStamp, Prediction, PredictionRecord, Query, decode, encode
from stream_al.service.broker.protocols import Ack, Outgoing, Record
from stream_al.settings import Settings
from stream_al.simulate.baselines import random_positions
from stream_al.simulate.class_scores import ClassScore
from stream_al.simulate.people.crew import crew, parse_crew
from tests.support.children import PATIENCE_SECONDS, children

COMMAND = [sys.executable, "-m", "stream_al", "demo", "--port", "0"]
STAMP = ModelStamp("model", "v", 0)

pytestmark = pytest.mark.timeout(3 * PATIENCE_SECONDS)


def performed(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *options], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """800 samples of two classes that a line divides."""
    path = tmp_path_factory.mktemp("demo") / "recorded.csv"
    lines = (f"{k * 37 % 101},{k * 61 % 89},{'up' if k * 37 % 101 > 50 else 'down'}" for k in range(800))
    path.write_text("\n".join(["x,y,label", *lines]))
    return path


def test_the_summary_adds_up_and_the_budget_holds(recording: Path) -> None:
    """One JSON object on standard output; the share asked is the share spent; every label is learned."""
    done = performed("--data", str(recording), "--budget", "0.1", "--seed", "1", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert list(summary) == [
        *("samples", "queries", "examples", "budget_asked", "budget_spent"),
        *("accuracy", "accuracy_random", "accuracy_random_runs", "accuracy_all_labels"),
        *("rarest", "rarest_random", "rare_classes", "seconds"),
    ]
    assert summary["rare_classes"] is None  # the classes are of equal size
    assert summary["samples"] == 800
    assert summary["queries"] == summary["examples"] == 80
    assert summary["budget_asked"] == summary["budget_spent"] == 0.1
    runs = summary.pop("accuracy_random_runs")
    assert len(set(runs)) > 1  # each draw is another one
    assert summary["accuracy_random"] == pytest.approx(sum(runs) / len(runs))
    assert all(0 < summary[name] <= 1 for name in summary if name.startswith("accuracy"))
    assert summary["accuracy_all_labels"] > 0.8
    for name in ("rarest", "rarest_random"):
        assert (summary[name]["label"], summary[name]["samples"]) == ("up", 396)
        assert 0 < summary[name]["labels"] < 80
        assert 0 < summary[name]["recall"] <= 1 >= summary[name]["precision"] > 0
    assert "Traceback" not in done.stderr


def interrupted(*options: str, when: Callable[[str], bool]) -> tuple[int, str, str]:
    """Start a demo, press Ctrl-C at the first line that fits, and check that it ends what it has started."""
    demo = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert demo.stderr
    err = ""
    while demo.poll() is None and not (err and when(err.splitlines()[-1])):
        err += demo.stderr.readline()
    started = children(demo.pid)
    assert started
    demo.send_signal(signal.SIGINT)
    out, rest = demo.communicate(timeout=PATIENCE_SECONDS)
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert "Traceback" not in err + rest
    return demo.returncode, out, err + rest


def test_an_interrupted_demo_ends_what_it_started() -> None:
    """Ctrl-C: exit code 130, no traceback, no broker left."""
    code, out, err = interrupted("--rate", "100", when=lambda line: line == "starting")
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted before the first sample was decided"


def test_an_interrupted_demo_prints_what_it_has_done() -> None:
    """The figures are those of the samples decided; what would have been is not computed."""

    def decided(line: str) -> bool:
        return " of 20,000 samples" in line and not line.startswith("0 of")

    code, out, _ = interrupted("--rate", "200", "--json", when=decided)
    assert code == 130
    found = json.loads(out)
    assert (found["interrupted"], found["of"]) == (True, 20_000)
    assert 0 < found["samples"] < 20_000
    assert found["queries"] >= found["examples"] >= 0
    said = str(report_of_part(Interrupted(**found)))
    assert said.startswith(f"Interrupted after {found['samples']:,} of 20,000 samples")
    assert f"{found['queries']:,} labels bought" in said


@pytest.mark.long
def test_at_the_desk_a_person_labels_beside_a_colleague_until_ctrl_c() -> None:
    """The page is there, both label, no label is lost, and Ctrl-C ends it well: code 0, nothing left."""
    crew_ = "colleague: speed=7200; other: error=0.5, speed=7200"
    words = ["--desk", "--no-browser", "--rate", "200", "--samples", "400", "--annotators", crew_, "--json"]
    demo = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert demo.stderr
    said = ""
    while demo.poll() is None and "The desk is at " not in said:
        said += demo.stderr.readline()
    url = said.rpartition("The desk is at ")[2].partition("/desk")[0]
    assert httpx.get(f"{url}/desk", timeout=PATIENCE_SECONDS, trust_env=False).status_code == 200
    with Client(url, annotator="person") as client:
        mine = []
        for query in client.queries(ahead=1, wait=60):
            mine.append(query.id)
            client.label(query, 0)
            if len(mine) == 5:
                break
        status = client.status()
        while status["examples"]["outcomes"].get("learned", 0) < 20:
            time.sleep(0.05)
            status = client.status()
    assert not status["examples"]["outcomes"].get("conflict")
    started = children(demo.pid)
    demo.send_signal(signal.SIGINT)
    out, rest = demo.communicate(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 0, said + rest
    assert "Traceback" not in said + rest
    assert '"audit"' not in said + rest  # a line for each label would bury the rest
    found = json.loads(out)
    assert found["interrupted"] is True
    assert found["examples"] >= 20
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_demo_that_learns_nothing_says_why_and_fails(tmp_path: Path) -> None:
    """A linear model takes no text. The result is printed all the same, and the exit code is 1."""
    path = tmp_path / "texts.csv"
    lines = (f"{'abc'[k % 3]}x,{k % 7},{'up' if k % 2 else 'down'}" for k in range(300))
    path.write_text("\n".join(["word,n,label", *lines]))
    done = performed("--data", str(path), "--model", "LogisticRegression()", "--budget", "0.1", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["examples"] == 0
    assert "nothing was learned: 30 labels were bought" in done.stderr
    assert "refused" in done.stderr
    assert "What to do next" not in done.stderr


def test_a_demo_explains_its_figures_and_ends_with_what_to_do_next(recording: Path) -> None:
    done = performed("--data", str(recording), "--samples", "200")
    assert done.returncode == 0
    for word in ("threshold  ", "so far  ", "estimated  ", "interval"):
        assert word in done.stderr
    _, steps = done.stderr.split("What to do next")
    commands = [line.split()[1] for line in steps.splitlines() if line.startswith("  stream-al ")]
    assert commands == ["demo", "simulate", "config", "topics", "serve"]


def test_a_demo_that_is_over_tells_what_was_lost_and_not_what_a_stopped_service_lacks() -> None:
    """The comparison takes minutes on a slow machine, in which nobody reads the samples any more."""
    row = {"kind": "label_refused", "reason": "model_error", "count": 2, "message": "no text", "sample": "7"}
    conditions = SimpleNamespace(describe=lambda: pytest.fail("it looked at the conditions"))
    app = SimpleNamespace(problems=SimpleNamespace(describe=lambda: [row]), conditions=conditions)
    demo = cast("Demo", SimpleNamespace(app=app, failed=0))
    assert list(notes(demo)) == ["label refused, model_error, 2 times: no text (for example 7)"]


@pytest.mark.parametrize(
    "options",
    [
        ("--samples", "0"),
        ("--rate", "nan"),
        ("--delay", "-1"),
        ("--annotators", "ada: speed=0"),
        ("--budget", "1.5"),
        ("--stream", "river"),
        ("--data", "/no/such/file.csv"),
        ("--model", "Oracle()"),
    ],
    ids=lambda options: options[0],
)
def test_a_mistake_is_one_line_that_names_the_option(
    options: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stream_al.cli import main  # noqa: PLC0415

    monkeypatch.setattr(sys, "argv", ["stream-al", "demo", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert (options[0] if options[0] != "--data" else options[1]) in said.err


class Queries:
    """A broker that holds queries and remembers the labels that are sent."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = list(records)
        self.sent: list[Label] = []

    def reader(self, topic: str, *, expiring: bool = False) -> Queries:
        return self

    async def start(self) -> None: ...

    async def stop(self, deadline_seconds: float) -> None: ...

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        await asyncio.sleep(0.001)
        given, self.records = self.records, []
        return given

    async def send(self, records: Sequence[Outgoing]) -> list[Ack]:
        self.sent += [decode(Label, record.value, max_bytes=10_000) for record in records]
        return [Ack(0, 0, 0) for _ in records]


def query(sample_id: str) -> Record:
    time_ = "2026-01-01T00:00:00.000Z"
    message = Query(
        sample_id, {}, Prediction(None, {}), 1.0, 0.5, 0.1, "explore", "margin", STAMP, time_, time_, time_
    )
    return Record("queries", 0, 0, 0, sample_id.encode(), encode(message))


async def test_the_annotator_labels_every_query_once() -> None:
    """It labels no repeated query, no tombstone and no query whose sample it does not know."""
    closed = Record("queries", 0, 0, 0, b"1", None)
    broker = Queries([query("1"), query("2"), query("1"), closed, query("stranger")])
    crew_ = crew(parse_crew("ada: delay=0.01"), ["up", 0, True], 0)
    truth = {"1": "up", "2": 0, "3": True}
    annotator = TopicAnnotators(broker, Settings(), truth, crew_)  # type: ignore[arg-type]
    labelling = asyncio.create_task(annotator.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(broker.sent) < 2 or annotator.busy:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
    labelling.cancel()
    await asyncio.wait([labelling])
    assert [(label.id, label.label) for label in broker.sent] == [("1", "up"), ("2", 0)]
    assert annotator.labelled == 2


async def test_colleagues_that_cannot_reach_the_service_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, not as a group of errors."""
    monkeypatch.setattr("stream_al.demo.annotator.START_SECONDS", 0.1)
    colleagues = Colleagues(lambda: "http://127.0.0.1:1", {}, crew(parse_crew("ada; bob"), ["up"], 0))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        await colleagues.run()


def test_the_scoreboard_counts_the_first_prediction_and_measures_the_delay() -> None:
    """Null and repeated predictions do not count as correct; a delay is a number of samples."""
    scoreboard = Scoreboard(Queries([]), ["a", "a", "b", "a"])  # type: ignore[arg-type]
    for sample_id, label, queried, examples in (
        *(("1", None, True, 0), ("2", "a", False, 0), ("2", "b", False, 0)),
        *(("3", "b", True, 1), ("4", "b", False, 1)),
    ):
        stamp = ModelStamp("model", "v", examples)
        scoreboard.count(PredictionRecord(sample_id, label, {}, 1.0, 0.5, 1.0, queried, "below", stamp))
    assert (scoreboard.decided, scoreboard.confusion.correct, scoreboard.queries) == (4, 2, 2)
    assert scoreboard.bought == {"a": 1, "b": 1}
    assert scoreboard.delays_in_samples(["1", "3"]) == [2, 2]  # sample 3 never was known: two to the end
    assert scoreboard.delays_in_samples(["3", "1"]) == [4, 1]  # in the order of the samples


def test_a_counterfactual_learns_with_the_given_delay() -> None:
    """With two classes at the first two positions, the first prediction comes `delay` samples later."""
    samples = [Row({"x": k % 2}, k % 2) for k in range(10)]
    for delay in (1, 3):
        model = Model("GaussianNB()", seed=0)
        right = prequential(samples, model, {0, 1}, [delay]).correct
        assert right <= 10 - 1 - delay
    assert len(random_positions(5, 50, seed=3)) == 5


def test_each_label_of_a_counterfactual_has_a_delay_of_its_own() -> None:
    """The second class is known by its own delay, whatever the first delay is."""
    samples = [Row({"x": k % 2}, k % 2) for k in range(10)]

    def right(delays: list[int]) -> float:
        model = Model("NearestNeighbours(n_neighbors=1)", seed=0)
        return prequential(samples, model, {0, 1}, delays).correct

    assert right([1, 8]) == right([1, 8, 1]) < right([1, 2]) == right([1, 2, 8])


def test_a_class_of_a_file_does_not_command_the_terminal() -> None:
    score = ClassScore("\x1b[2J" + "long" * 50, samples=3, labels=1, recall=0.5, precision=0.5, predicted=3)
    summary = Summary(9, 3, 3, 0.3, 0.3, 0.5, 0.5, [0.5], 0.5, score, score, None, 1.0)
    out = StringIO()
    Console(file=out, width=200).print(report(summary))
    assert "The rarest class, \\x1b[2Jlong" in out.getvalue()
    assert "\x1b" not in out.getvalue()
