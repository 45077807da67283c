"""Every mistake in the settings is found at once and says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_al.engine.budgets import MANAGERS
from stream_al.engine.strategies import STRATEGIES
from stream_al.settings import load
from tests.settings.mistakes import mistake, mistakes, write


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
    assert mistake("input.include=amount").startswith(
        "input.include: write a list of texts, such as [a, b], not 'amount'"
    )
    assert mistake("topics.samples=null").startswith("topics.samples: write a text (")
    assert mistake("kafka=3").startswith("kafka: write a mapping of its settings")


def test_a_mistake_in_the_classes_says_which_and_why() -> None:
    assert mistake("labels.classes=[0]").startswith("labels.classes: write 2 to")
    assert mistake("labels.classes=[a, ' a']").startswith("labels.classes: write a class of 1 to 512")
    assert "1 and true are one class" in mistake("labels.classes=[1, true]")
    assert mistake("labels.classes=a").startswith("labels.classes: write a list of texts, numbers or truth")
    assert mistake("labels.classes=[[1], 2]").startswith("labels.classes: write a list")
    assert "without blanks around it" in mistake("labels.classes=[a, '']")


def test_the_mistake_about_an_unknown_name_suggests_the_nearest_one() -> None:
    assert "did you mean kafka.bootstrap_servers?" in mistake("kafka.bootstrap_server=x")
    assert "did you mean budget.share?" in mistake("share=0.1")
    assert "did you mean topics.samples?" in mistake("kafka.samples=x")
    assert "did you mean kafka?" in mistake("kafak={client_id: x}")
    assert "did you mean STREAM_AL_BUDGET__SHARE?" in mistake(STREAM_AL_BUDGET_SHARE="0.1")
    assert "remove it" in mistake("zzzzzz=1")
    assert "remove it" in mistake(STREAM_AL_ZZZZZZ="1")
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
        "application=..",
        "model.name=.",
        "budget.exploration=1.1",
        "budget.pending=0",
        "budget.share=0",
        "budget.share=5e-324",
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
