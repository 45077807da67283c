"""The tree of settings and its description."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from stream_al.settings import Settings, describe, effective, load, page
from tests.settings.mistakes import write


def test_settings_are_frozen_and_accept_no_unknown_names() -> None:
    tree = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        tree.seed = 1
    with pytest.raises(ValidationError, match="frozen"):
        tree.kafka.client_id = "x"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings.model_validate({"sede": 1})
    assert hash(tree) == hash(Settings())


def test_effective_settings_are_json_and_load_again(tmp_path: Path) -> None:
    found = load(
        overrides=["input.include=[a]", "topics.predictions=p", "snapshots.directory=/x"], environ={}
    )
    shown = effective(found)
    assert shown["snapshots"]["directory"] == "/x"
    assert load(write(tmp_path, json.dumps(shown)), environ={}) == found


def test_every_setting_is_described_and_settable_by_the_names_its_description_gives() -> None:
    for row in describe():
        assert row.description.endswith("."), row.path
        assert row.type
        if row.path not in {"kafka.sasl_password", "snapshots.key"}:
            assert load(environ={row.environment: row.default}) == Settings(), row.path
        assert load(overrides=[f"{row.path}={row.default}"], environ={}) == Settings(), row.path
        assert f"| `{row.path}` |" in page()


def test_every_section_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_defaults_are_read_without_the_engine() -> None:
    """Help and defaults need no River, which is slow to import."""
    code = "import sys, stream_al.settings as s; s.load(environ={}); sys.exit('river' in sys.modules)"
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)  # noqa: S603 (our own words)
