"""Where settings come from, and which source wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from stream_al.engine.budgets import MANAGERS
from stream_al.engine.strategies import STRATEGIES, factors
from stream_al.settings import Settings, load
from tests.settings.mistakes import write


def test_nothing_given_gives_the_defaults_and_they_are_valid() -> None:
    defaults = load(environ={})
    assert defaults == Settings()
    assert Settings.model_validate(defaults.model_dump()) == defaults
    assert {name for name, _ in factors(defaults.strategy)} <= STRATEGIES.keys()
    assert defaults.budget.manager in MANAGERS


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = write(
        tmp_path, "budget: {share: 0.2, pending: 20, exploration: 0.2}\nlimits: {batch_records: 7}\n"
    )
    environ = {"STREAM_AL_BUDGET__SHARE": "0.3", "STREAM_AL_BUDGET__PENDING": "30"}
    found = load(file, ["budget.share=0.4"], environ)
    assert (found.budget.share, found.budget.pending, found.budget.exploration) == (0.4, 30, 0.2)
    assert (found.limits.batch_records, found.budget.manager) == (7, "stratified")


def test_a_variable_names_the_file_unless_an_argument_does(tmp_path: Path) -> None:
    file = write(tmp_path, "seed: 1")
    other = tmp_path / "other.yaml"
    other.write_text("seed: 2")
    environ = {"STREAM_AL_CONFIG": str(file)}
    assert load(environ=environ).seed == 1
    assert load(other, environ=environ).seed == 2


def test_the_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_AL_SEED", "5")
    assert load().seed == 5


def test_the_last_override_of_a_setting_wins() -> None:
    assert load(overrides=["seed=1", "seed=2"], environ={}).seed == 2


@pytest.mark.parametrize("text", ["", "# nothing\n", "kafka:\n", "kafka: null\nseed: 3\n"])
def test_an_empty_file_or_section_changes_nothing(tmp_path: Path, text: str) -> None:
    assert load(write(tmp_path, text), ["seed=0"], {}) == Settings()


def test_a_text_keeps_its_letters(tmp_path: Path) -> None:
    file = write(tmp_path, "kafka: {client_id: 0123}\ntopics: {labels: no}\ninput: {id: 1e3}\n")
    found = load(file, environ={})
    assert (found.kafka.client_id, found.topics.labels, found.input.id) == ("0123", "no", "1e3")


def test_a_secret_from_outside_a_file_is_taken_literally() -> None:
    for password in ("#a", "&b c", "*d", "12345", "'q'", "e: f # g", "[h", "i=j"):
        by_variable = load(environ={"STREAM_AL_KAFKA__SASL_PASSWORD": password})
        by_override = load(overrides=[f"kafka.sasl_password={password}"], environ={})
        assert by_variable.kafka.sasl_password == by_override.kafka.sasl_password == SecretStr(password)


def test_lists_sections_nulls_and_quotes_may_be_written_as_yaml() -> None:
    overrides = ["input.include=[amount, 'merchant.*']", "kafka={client_id: x, compression: gzip}"]
    environ = {
        "STREAM_AL_TOPICS__PREDICTIONS": "null",
        "STREAM_AL_KAFKA": "{client_id: y}",
        "STREAM_AL_KAFKA__SSL_CAFILE": "",
        "STREAM_AL_STRATEGY": '"entropy"',
    }
    found = load(overrides=overrides, environ=environ)
    assert found.input.include == ("amount", "merchant.*")
    assert (found.kafka.client_id, found.kafka.compression, found.kafka.ssl_cafile) == ("x", "gzip", None)
    assert (found.topics.predictions, found.strategy) == (None, "entropy")


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("[0, 1]", [0, 1]),
        ("['0', \"1\"]", ["0", "1"]),
        ("[ok, fraud, 02x]", ["ok", "fraud", "02x"]),
        ("[true, False]", [True, False]),
        ("[yes, no, on]", ["yes", "no", "on"]),
        ("[-1, 0.5, 1e3]", [-1, 0.5, 1000.0]),
        ("[]", []),
    ],
)
def test_classes_keep_the_type_that_they_are_written_with(
    tmp_path: Path, text: str, classes: list[object]
) -> None:
    """In a file, in a variable and on the command line."""
    file = write(tmp_path, f"labels:\n  classes: {text}\n")
    ways = [
        load(file, environ={}),
        load(environ={"STREAM_AL_LABELS__CLASSES": text}),
        load(overrides=[f"labels.classes={text}"], environ={}),
    ]
    for found in ways:
        assert list(found.labels.classes) == classes
        assert [type(label) for label in found.labels.classes] == [type(label) for label in classes]


def test_a_variable_of_a_setting_wins_over_that_of_its_section() -> None:
    environ = {"STREAM_AL_KAFKA__CLIENT_ID": "inner", "STREAM_AL_KAFKA": "{client_id: outer}"}
    assert load(environ=environ).kafka.client_id == "inner"


def test_variables_of_other_programs_are_ignored() -> None:
    environ = {"STREAM_AL_TEST_BROKER": "x", "STREAM_ALPHA": "y", "HOME": "/", "STREAM_AL_CONFIG": ""}
    assert load(environ=environ) == Settings()
