"""The models that the documents show take the records that they are shown for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_al.engine.model.model import Model
from tests.documents.markdown import ROOT, block, blocks
from tests.support.processes import environment

OPERATIONS = ROOT / "deploy" / "OPERATIONS.md"
# What pip installs as `stream-al`: a script that lies elsewhere, so that Python does not look for modules in
# the current directory.
INSTALLED = "from stream_al.__main__ import main\nmain()\n"


def records() -> list[dict[str, Any]]:
    whole = [
        {"amount": n / 7, "time": f"2026-01-01T{n % 24:02d}:00:00Z", "country": ("NL", "DE")[n % 2]}
        for n in range(48)
    ]
    return [
        {name: value for place, (name, value) in enumerate(row.items()) if (n + place) % 4}
        | {"label": n % 3 == 0}
        for n, row in enumerate(whole)
    ]


def test_the_pipeline_of_mixed_types_takes_records_that_lack_features() -> None:
    definitions = [
        yaml.safe_load(one.text).get("model", {}).get("definition") for one in blocks(OPERATIONS, "yaml")
    ]
    (definition,) = [text for text in definitions if text and "SelectType" in text]
    model = Model(definition, seed=1)
    for record in records():
        label = record.pop("label")
        model.learn(record, label)
        assert sum(model.probabilities(record).values()) == pytest.approx(1.0)


@pytest.fixture
def installed(tmp_path: Path) -> list[str]:
    """The command as it is installed, in a directory of its own."""
    script = tmp_path / "bin" / "stream-al"
    script.parent.mkdir()
    script.write_text(INSTALLED, encoding="utf-8")
    return [sys.executable, str(script)]


@pytest.mark.parametrize("safe", [False, True])
def test_a_factory_of_the_current_directory_is_found_unless_python_is_told_not_to(
    tmp_path: Path, installed: list[str], safe: bool
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "my_models.py").write_text(block(OPERATIONS, "my_models.py"), encoding="utf-8")
    (here / "recorded.jsonl").write_text("\n".join(map(json.dumps, records())), encoding="utf-8")
    arguments = ["doctor", "--file", "recorded.jsonl", "--set", "model.definition=my_models:build"]
    done = subprocess.run(  # noqa: S603 - our own arguments only
        [*installed, *arguments, "--json"],
        cwd=here,
        env=environment() | {"PYTHONPATH": str(ROOT)} | ({"PYTHONSAFEPATH": "1"} if safe else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if safe:
        assert (done.returncode, done.stdout) == (2, "")
        assert "ModuleNotFoundError: No module named 'my_models'" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["model"].items() >= {"refused": 0, "labels": "known"}.items()
