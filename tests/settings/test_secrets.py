"""A secret in the settings is never shown."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from stream_al.errors import Misconfigured
from stream_al.settings import effective, load
from tests.settings.mistakes import mistake, write

HIDDEN = "hunter2hunter2hunter2hunter2hunter2"


def test_a_secret_shows_nowhere() -> None:
    found = load(overrides=[f"kafka.sasl_password={HIDDEN}", f"snapshots.key={HIDDEN}"], environ={})
    assert found.kafka.sasl_password is not None
    assert found.kafka.sasl_password.get_secret_value() == HIDDEN
    shown = effective(found)
    assert {shown["kafka"]["sasl_password"], shown["snapshots"]["key"]} == {"**********"}
    for text in (repr(found), str(found), json.dumps(shown), found.model_dump_json()):
        assert HIDDEN not in text


@pytest.mark.parametrize(
    "text",
    [
        f"kafka: {{sasl_password: [{HIDDEN}]}}",
        f"kafka: {{sasl_pasword: {HIDDEN}}}",
        f"kafka: sasl_password {HIDDEN}",
        f"kafak: {{sasl_password: {HIDDEN}}}",
        f"kafka: {{sasl_password: *{HIDDEN}}}",
        f"kafka: {{sasl_password: !{HIDDEN}!x y}}",
        f"kafka: {{sasl_password: {HIDDEN}: x}}",
        f"- {HIDDEN}",
        f"kafka: {{sasl_password: {HIDDEN}, security_protocol: SASL_SSL}}",
    ],
)
def test_a_mistake_never_shows_a_secret(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(Misconfigured) as caught:
        load(file, environ={})
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("separator", [" ", ":", ": ", ":="])
def test_an_override_without_its_equals_sign_shows_no_secret(separator: str) -> None:
    assert HIDDEN not in mistake(f"kafka.sasl_password{separator}{HIDDEN}=")
    assert HIDDEN not in mistake(f"kafka.sasl_pasword={HIDDEN}")
    assert HIDDEN not in mistake(STREAM_AL_KAFKA__SASL_PASWORD=HIDDEN)
