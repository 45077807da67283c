"""The commands `labels import` and `examples export`, from a file to the topic and back to a file."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from stream_al import settings as app_settings
from stream_al.cli import main
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.maintenance import create_topics
from tests.broker.address import KafkaAddress

NESTED = """transaction.id;transaction.amount;transaction.zip;transaction.note;card;truth.kind
t1;12,5;02139;=1+1;1;fraud
t2;7;10001;plain;2;ok
t2;7;10001;plain;2;ok
t3;8,25;00501;NA;3;
t4;NA;00501;-;4;unsure
"""


class Run:
    """Runs commands on an application with topics of its own."""

    def __init__(
        self, settings: app_settings.Settings, command: Callable[..., tuple[object, str, str]]
    ) -> None:
        self._settings, self._command = settings, command

    def __call__(self, *words: object) -> tuple[object, str, str]:
        return self._command(*words)

    def send(self, role: str, values: list[Any]) -> None:
        """Send records to one of its topics."""
        topic = getattr(self._settings.topics, role)

        async def send() -> None:
            broker = Kafka(self._settings)
            await broker.start()
            await broker.send([Outgoing(topic, None, json.dumps(value).encode()) for value in values])
            await broker.stop(5.0)

        asyncio.run(send())


@pytest.fixture
def run(
    kafka: KafkaAddress, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Run]:
    """Make an application with topics of its own, and return what runs a command on it."""

    def application() -> Run:
        name = uuid4().hex
        parts = ("samples", "queries", "labels", "examples", "control", "leases")
        given = [
            *kafka.settings,
            *(f"topics.{part}={name}.{part}" for part in parts),
            "log.level=error",
            "model.max_classes=2",
            "input.id=transaction.id",
            "input.features=transaction",
        ]
        settings = app_settings.load(overrides=given, environ={})
        asyncio.run(create_topics(settings, Kafka(settings)))

        def command(*words: object) -> tuple[object, str, str]:
            sets = [word for each in given for word in ("--set", each)]
            monkeypatch.setattr(sys, "argv", ["stream-al", *map(str, words), *sets])
            with pytest.raises(SystemExit) as ended:
                main()
            said = capsys.readouterr()
            return ended.value.code, said.out, said.err

        return Run(settings, command)

    return application


def test_an_imported_file_is_read_as_the_stream_is_and_exported_as_it_was(
    run: Callable[[], Run], tmp_path: Path
) -> None:
    """Names and ids are those of the stream; the report counts every row, and every format comes back."""
    first = run()
    (tmp_path / "seed.csv").write_text(NESTED)
    code, out, _ = first("labels", "import", tmp_path / "seed.csv", "--label", "truth.kind", "--json")
    assert code == 0
    report = json.loads(out)
    assert (report["sent"], report["left_out"]) == (4, {"no_label": 1})
    assert report["outcomes"] == {"learned": 2, "duplicate": 1, "refused": 1}
    assert report["refused"] == {"too_many_classes": 1}
    learned = first("examples", "export")[1]
    examples = [json.loads(line) for line in learned.splitlines()]
    assert [(each["id"], each["label"], each["features"]) for each in examples] == [
        ("t1", "fraud", {"amount": 12.5, "zip": "02139", "note": "=1+1"}),
        ("t2", "ok", {"amount": 7, "zip": "10001", "note": "plain"}),
    ]
    for form in ("jsonl", "csv", "parquet"):
        path, other = tmp_path / f"examples.{form}", run()
        assert first("examples", "export", "--format", form, "--out", path)[0] == 0
        code, _, err = other("labels", "import", path)
        assert (code, err.splitlines()) == (0, ["2 examples imported", "        2 learned"])
        assert other("examples", "export")[1] == learned


def test_an_import_that_the_model_refuses_whole_fails(run: Callable[[], Run], tmp_path: Path) -> None:
    """It says so, and what the model learned before stays."""
    command = run()
    lines = [{"transaction": {"id": f"t{n}", "x": n}, "label": label} for n, label in enumerate("aabbcc")]
    for name, chosen in (("first", lines[:4]), ("second", lines[4:])):
        (tmp_path / name).write_text("\n".join(map(json.dumps, chosen)))
    assert command("labels", "import", tmp_path / "first")[0] == 0
    code, _, err = command("labels", "import", tmp_path / "second")
    assert code == 1
    assert "2 refused by the model" in err
    assert "too_many_classes: 2, such as: the label 'c' would be class 3, and the limit is 2" in err
    assert command("labels", "import", tmp_path / "second", "--no-check")[0] == 0


def test_a_file_whose_features_no_sample_has_is_refused_before_anything_is_sent(
    run: Callable[[], Run], tmp_path: Path
) -> None:
    """The labels would be learned and never used. Where a part of the names fits, the others are named."""
    command = run()
    stream = [{"transaction": {"id": f"s{number}", "amount": number, "note": "a"}} for number in range(30)]
    command.send("samples", stream)
    for name, member in (("strange", "betrag"), ("known", "amount")):
        lines = [
            {"transaction": {"id": f"{name}{n}", member: n, "chargeback": n}, "label": n % 2} for n in (1, 2)
        ]
        (tmp_path / name).write_text("\n".join(map(json.dumps, lines)))
    code, _, err = command("labels", "import", tmp_path / "strange")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "has any of its features (betrag, chargeback; the samples have id, amount, note)" in err
    assert command("examples", "export")[1] == ""
    code, _, err = command("labels", "import", tmp_path / "known")
    assert code == 0
    assert "has chargeback: what the model learns of it is of no use there" in err
    assert command("labels", "import", tmp_path / "strange", "--no-check")[0] == 0
    assert len(command("examples", "export")[1].splitlines()) == 4


def test_known_cases_of_one_class_alone_are_said_to_need_others(
    run: Callable[[], Run], tmp_path: Path
) -> None:
    """The model takes too much for the class then."""
    for labels, is_said in (("a" * 12, True), ("a" * 11 + "b", False), ("a" * 3, False)):
        lines = [{"transaction": {"id": f"t{n}", "x": n}, "label": label} for n, label in enumerate(labels)]
        (tmp_path / "known").write_text("\n".join(map(json.dumps, lines)))
        _, _, err = run()("labels", "import", tmp_path / "known")
        assert ('all rows are of the class "a": import about as many' in err) == is_said


def test_a_file_that_cannot_be_used_sends_nothing(run: Callable[[], Run], tmp_path: Path) -> None:
    command = run()
    (tmp_path / "seed.csv").write_text(NESTED + "t5;1\n")
    for options, said in (
        (("--label", "truth.kind"), "line 7 has not the header's 6 columns"),
        (("--label", "truth.knid"), "did you mean 'truth.kind'?"),
        (("--label", "truth.kind", "--id", "txn"), "line 7"),
    ):
        code, out, err = command("labels", "import", tmp_path / "seed.csv", *options)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert said in err
    assert command("labels", "import", tmp_path / "none.csv")[0] == 2
    assert command("examples", "export")[1] == ""
    assert "--out: name a file in a directory" in command("examples", "export", "--out", "/none/e.csv")[2]
    assert "--format: write jsonl, csv, parquet" in command("examples", "export", "--format", "xls")[2]
