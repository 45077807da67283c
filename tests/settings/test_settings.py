"""The laws of the settings."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from stream_al.engine.budgets import MANAGERS
from stream_al.engine.strategies import STRATEGIES, factors
from stream_al.errors import Misconfigured
from stream_al.settings import Settings, describe, effective, load, page

HIDDEN = "hunter2"
PATHS = [row.path for row in describe()]


def write(directory: Path, text: str) -> Path:
    file = directory / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(
    file: Path | None = None, overrides: tuple[str, ...] = (), environ: dict[str, str] | None = None
) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        load(file, overrides, environ or {})
    return caught.value.mistakes


def mistake(*overrides: str, **environ: str) -> str:
    (only,) = mistakes(overrides=overrides, environ=environ)
    return only


# --- Sources ---------------------------------------------------------------------------------------------


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


def test_a_secret_from_outside_a_file_is_taken_as_it_stands() -> None:
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


def test_a_variable_of_a_section_gives_way_to_those_of_its_settings() -> None:
    environ = {"STREAM_AL_KAFKA__CLIENT_ID": "inner", "STREAM_AL_KAFKA": "{client_id: outer}"}
    assert load(environ=environ).kafka.client_id == "inner"


def test_variables_of_others_are_left_alone() -> None:
    environ = {"STREAM_AL_TEST_BROKER": "x", "STREAM_ALPHA": "y", "HOME": "/", "STREAM_AL_CONFIG": ""}
    assert load(environ=environ) == Settings()


# --- Mistakes --------------------------------------------------------------------------------------------


def test_every_mistake_of_every_source_is_listed_at_once_with_its_path(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "budget: {share: 2, manger: x}\nseed: many\nkafak: {}\nmodel: {definition: Nonsense()}\n"
        "kafka: {bootstrap_servers: nowhere, security_protocol: SASL_SSL}\ntopics: {samples: queries}\n",
    )
    environ = {"STREAM_AL_STRATEGY": "margine", "STREAM_AL_HTTP__PROT": "1"}
    found = mistakes(
        file, ("http.port=99999", "limits.batch_records", "input.id=a..b", "log.level=loud"), environ
    )
    starts = sorted(text.partition(":")[0] for text in found)
    assert starts == sorted(
        [
            "budget.share",
            "budget.manger",
            "seed",
            "kafak",
            "model.definition",
            "kafka.bootstrap_servers",
            "kafka.sasl_password",
            "kafka.sasl_username",
            "topics.queries",
            "strategy",
            "STREAM_AL_HTTP__PROT",
            "http.port",
            "limits.batch_records",
            "input.id",
            "log.level",
        ]
    )
    assert all("\n" not in text for text in found)


def test_a_mistake_says_what_to_write_what_was_written_and_where() -> None:
    assert (
        mistake("budget.share=2") == "budget.share: write a number > 0 and <= 1, not '2' (the command line)"
    )
    assert mistake(STREAM_AL_SEED="x") == (
        "seed: write a whole number >= 0 and <= 4294967295, not 'x' (STREAM_AL_SEED)"
    )
    assert mistake("http.enabled=perhaps").startswith("http.enabled: write true or false, not 'perhaps'")
    assert mistake("log.format=xml").startswith("log.format: write one of auto, json, text, not 'xml'")
    assert mistake("input.include=amount").startswith("input.include: write a list of texts, not 'amount'")
    assert mistake("topics.samples=null").startswith("topics.samples: write a text (")
    assert mistake("kafka=3").startswith("kafka: write a mapping of its settings")


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    assert "did you mean kafka.bootstrap_servers?" in mistake("kafka.bootstrap_server=x")
    assert "did you mean budget.share?" in mistake("share=0.1")
    assert "did you mean topics.samples?" in mistake("kafka.samples=x")
    assert "did you mean kafka?" in mistake("kafak={client_id: x}")
    assert "did you mean STREAM_AL_BUDGET__SHARE?" in mistake(STREAM_AL_BUDGET_SHARE="0.1")
    assert "take it away" in mistake("zzzzzz=1")
    assert "take it away" in mistake(STREAM_AL_ZZZZZZ="1")
    strategy = mistake("strategy=least_confidance")
    assert "did you mean least_confidence?" in strategy
    assert all(name in strategy for name in STRATEGIES)
    assert all(name in mistake("budget.manager=nobody") for name in MANAGERS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nkafka: [\n", "line 3"),
        ("seed: 1\nlog: level: info\n", "line 2"),
        ("- a\n- b\n", "write a mapping at the top"),
        ("just words", "write a mapping at the top"),
        ("seed: \x07", "not printable"),
        ("[" * 5000, "nesting"),
        ("log: {level: info}\nseed: 1\nlog: {format: json}\n", "log: line 3 sets it again"),
        ("log:\n  level: info\n  level: debug\n", "log.level: line 3 sets it again"),
    ],
)
def test_a_broken_file_is_a_mistake_that_names_the_file_and_the_line(
    tmp_path: Path, text: str, said: str
) -> None:
    file = write(tmp_path, text)
    (only,) = mistakes(file)
    assert said in only
    assert str(file) in only


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"application: caf\xe9")
    for file in (tmp_path / "absent.yaml", tmp_path, latin):
        assert mistakes(file)[0].startswith(f"{file}: ")
    assert "absent" in mistake(STREAM_AL_CONFIG=str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize(
    ("overrides", "paths"),
    [
        (["kafka.security_protocol=SASL_SSL"], ["kafka.sasl_username", "kafka.sasl_password"]),
        (["kafka.security_protocol=SASL_PLAINTEXT", "kafka.sasl_username=u"], ["kafka.sasl_password"]),
        (["topics.labels=samples"], ["topics.labels"]),
        (["topics.samples=a.b", "topics.queries=a_b"], ["topics.queries"]),
        (["topics.predictions=samples.dlq"], ["topics.dead_letter_suffix"]),
        (["topics.samples=" + "s" * 248], ["topics.dead_letter_suffix"]),
        (["topics.samples=labels", "topics.queries=a b"], ["topics.queries", "topics.labels"]),
        (
            ["kafka.security_protocol=SASL_SSL", "kafka.bootstrap_servers=x"],
            ["kafka.bootstrap_servers", "kafka.sasl_username", "kafka.sasl_password"],
        ),
        (["limits.backoff_seconds=20"], ["limits.backoff_max_seconds"]),
    ],
)
def test_settings_that_contradict_each_other_are_mistakes(overrides: list[str], paths: list[str]) -> None:
    found = mistakes(overrides=tuple(overrides))
    assert [text.partition(":")[0] for text in found] == paths


@pytest.mark.parametrize(
    "wrong",
    [
        "application=a b",
        "budget.exploration=1.1",
        "budget.pending=0",
        "budget.share=0",
        "budget.share=nan",
        "input.id=.",
        "input.max_bytes=1023",
        "kafka.bootstrap_servers=a:1,b",
        "kafka.bootstrap_servers=a:70000",
        "limits.poll_seconds=inf",
        "model.max_classes=1",
        "queries.life_hours=0",
        "topics.queries=..",
        "topics.samples=a b",
    ],
)
def test_values_outside_their_range_are_mistakes(wrong: str) -> None:
    assert mistake(wrong).startswith(wrong.partition("=")[0] + ": write ")


@pytest.mark.parametrize(
    "right",
    [
        "budget.share=1",
        "input.features=.",
        "input.id=transaction.id",
        "kafka.bootstrap_servers=a:1, b.c:9092,[::1]:9092",
        "http.port=0",
        "model.definition=StandardScaler() | LogisticRegression(l2=0.1)",
    ],
)
def test_values_at_the_ends_of_their_range_are_accepted(right: str) -> None:
    load(overrides=[right], environ={})


# --- Secrets ---------------------------------------------------------------------------------------------


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


# --- The tree --------------------------------------------------------------------------------------------


def test_settings_are_frozen_and_know_no_other_names() -> None:
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


# --- Junk ------------------------------------------------------------------------------------------------

junk = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="{}[]:,-&*!|>'\"%@`#?~ \n\tab01.<", max_size=30),
    st.sampled_from(
        ["!!timestamp x", "!!int ''", "2020-13-45", "&a [*a]", "&a {b: *a}", "<<: *a", "? [a]\n: b"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(json.dumps),
)
names = st.sampled_from([*PATHS, *(path.partition(".")[0] for path in PATHS)]) | st.text(max_size=10)


@hypothesis_settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    whole=junk,
    parts=st.dictionaries(names, junk, max_size=4),
    lines=st.lists(st.tuples(names, junk), max_size=4),
)
def test_junk_gives_settings_or_misconfigured_and_nothing_else(
    tmp_path: Path, whole: str, parts: dict[str, str], lines: list[tuple[str, str]]
) -> None:
    environ = {"STREAM_AL_" + path.upper().replace(".", "__"): value for path, value in parts.items()}
    environ.pop("STREAM_AL_CONFIG", None)
    file = tmp_path / "junk.yaml"
    nested = "\n".join(path.replace(".", ":\n  ") + f": {value}" for path, value in lines)
    for text in (whole, nested):
        file.write_text(text, encoding="utf-8")
        with contextlib.suppress(Misconfigured):
            load(file, [f"{path}={value}" for path, value in lines] + [whole], environ)
