"""The laws of simulated annotators: who labels a query, when, and with which label."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.datasets.rows import Row
from stream_al.engine.model.limits import Limits
from stream_al.errors import Misconfigured
from stream_al.simulate.cases import Case, Terms, simulate
from stream_al.simulate.delay import later
from stream_al.simulate.people.annotator import Hours, SimulatedAnnotator, Wait
from stream_al.simulate.people.crew import ANNOTATORS, Crew, CrewArrivals, crew, parse_crew, split
from stream_al.simulate.run import identity
from stream_al.simulate.stream import Stream

CLASSES = ["a", "b", "c"]
IDS = [str(k) for k in range(4000)]
DAY = 86_400.0
HOUR = 3600.0


def made(text: str, seed: int = 0) -> Crew:
    return crew(parse_crew(text), CLASSES, seed)


def tasks(team: Crew, times: list[float]) -> list[tuple[str, float]]:
    """Who labels queries of these times, and when."""
    found, state = [], team.begin
    for name, at in zip(IDS, times, strict=False):
        task, state = team.assign(state, name, at)
        assert task is not None
        found.append((task.annotator.name, task.seconds))
    return found


def near(number: int, probability: float, of: int) -> bool:
    """Whether a count is within four standard deviations of what is expected."""
    return bool(abs(number - probability * of) <= 4 * (probability * (1 - probability) * of) ** 0.5 + 1)


def test_confusions_take_the_place_of_the_error_for_their_class() -> None:
    (one,) = made("ada: error=0.5, confuse=a>b:0.3, confuse=a>c:0.1").annotators
    of_a = Counter(one.label(name, "a") for name in IDS)
    assert near(of_a["b"], 0.3, len(IDS))
    assert near(of_a["c"], 0.1, len(IDS))
    assert near(Counter(one.label(name, "b") for name in IDS)["b"], 0.5, len(IDS))
    assert [one.label(name, "a") for name in IDS[:50]] == [one.label(name, "a") for name in IDS[:50]]


def test_annotators_err_independently_of_each_other() -> None:
    one, other = made("ada: error=0.2; bob: error=0.2").annotators
    both = sum(one.label(name, "a") != "a" and other.label(name, "a") != "a" for name in IDS)
    assert near(both, 0.04, len(IDS))


@pytest.mark.parametrize("kind", ["fixed", "exponential", "lognormal"])
def test_a_delay_has_the_distribution_that_was_asked(kind: str) -> None:
    """Its quantiles, which say all about it; and no draw is infinite or negative."""
    wait = Wait(kind, 600.0, 1.0 if kind == "lognormal" else 0.0)
    draws = sorted(SimulatedAnnotator(CLASSES, 0, 5, "ada", delay=wait).gives(name, 0.0) for name in IDS)
    assert 0 <= draws[0] <= draws[-1] < 1e6
    expected = {"fixed": 600.0, "exponential": 600 * 0.6931, "lognormal": 600.0}[kind]
    assert statistics.median(draws) == pytest.approx(expected, rel=0.1)
    assert wait.at(0.0) >= 0


def test_a_query_goes_to_who_can_begin_it_first() -> None:
    """With one label a minute each, the second query goes to the other one, and the third one waits."""
    found = tasks(made("ada: speed=60; bob: speed=60"), [0.0, 0.0, 0.0, 500.0])
    assert {name for name, _ in found[:2]} == {"ada", "bob"}
    assert [at for _, at in found] == [60.0, 60.0, 120.0, 560.0]


def test_those_who_can_begin_at_once_share_the_queries_evenly() -> None:
    shares = Counter(name for name, _ in tasks(made("ada; bob; cy"), [0.0] * len(IDS)))
    assert all(near(shares[name], 1 / 3, len(IDS)) for name in ("ada", "bob", "cy"))


def test_nobody_begins_a_label_while_away() -> None:
    """A query of the night waits for the morning; the one who is there gets it, if there is one."""
    asked = [0.0, 12 * HOUR, 23 * HOUR, DAY + 7 * HOUR]
    assert [at / HOUR for _, at in tasks(made("ada: away=18-8"), asked)] == [8, 12, 32, 32]
    assert [name for name, _ in tasks(made("ada: away=18-8; bob: away=8-18"), asked)] == [
        "bob",
        "ada",
        "bob",
        "bob",
    ]


@given(begin=st.integers(0, 23), end=st.integers(0, 24), seconds=st.integers(-(10**6), 10**10))
def test_after_an_absence_comes_a_moment_outside_of_it(begin: int, end: int, seconds: int) -> None:
    away = Hours(begin, end)
    after = away.after(seconds)
    assert seconds <= after < seconds + DAY
    assert away.after(after) == after


def test_who_is_too_slow_falls_behind() -> None:
    found = tasks(made("ada: speed=60"), [float(10 * k) for k in range(100)])
    assert found[-1][1] == 100 * 60.0


def test_a_crew_depends_on_its_seed_alone() -> None:
    text, times = "ada: error=0.3, delay=exponential(60); bob: speed=90", [float(k) for k in range(300)]
    assert tasks(made(text, 1), times) == tasks(made(text, 1), times) != tasks(made(text, 2), times)


def test_labels_can_be_learned_when_they_come_and_never_before_the_next_sample() -> None:
    clock = [float(k) for k in range(100)]
    found = CrewArrivals(made("ada: delay=10"), clock, identity, later(100, 1))
    assert [found.of(at)[0] for at in (0, 5, 95)] == [10, 15, 100]
    slow = CrewArrivals(made("ada: speed=360"), clock, identity, later(100, 1))
    assert [slow.of(at)[0] for at in (0, 0, 1, 0)] == [10, 10, 20, 10]  # asked again, it is the same label
    at_once = CrewArrivals(made("ada"), clock, identity, later(100, 1))
    assert at_once.of(7)[0] == 8
    as_written = CrewArrivals(made("ada: error=1"), None, identity, later(100, 20))
    assert as_written.of(7)[0] == 27
    assert as_written.label("8", "a") in {"b", "c"}


ROWS = [
    Row({"x": (k * 37 % 101) / 101, "y": float(k % 7)}, "up" if k * 37 % 101 > 50 else "down")
    for k in range(400)
]
STREAM = Stream("s", ROWS, clock=[60.0 * k for k in range(400)])
TERMS = Terms(exploration=0.1, most_pending=1000, limits=Limits(10))


def run(text: str, delay: str = "0") -> Any:
    case = Case("margin", "stratified", "GaussianNB()", 0.1, delay, 0.0, 0, text)
    result = simulate(case, STREAM, TERMS)
    return replace(result, seconds=0.0)


def test_a_run_with_a_crew_spends_the_budget_and_can_be_repeated() -> None:
    slow = "ada: speed=4, delay=exponential(10m); bob: away=0-8"
    assert run(slow, ANNOTATORS) == run(slow, ANNOTATORS)
    assert run(slow, ANNOTATORS).labels == 40
    assert run("ada").accuracy == run("").accuracy
    assert run("ada: delay=0", ANNOTATORS).accuracy == run("").accuracy


def test_a_crew_that_errs_or_is_late_makes_every_run_worse() -> None:
    best = run("ada").accuracy
    assert run("ada: error=0.45").accuracy < best
    assert run("ada: confuse=up>down:1").accuracy < best
    assert run("ada: delay=5h", ANNOTATORS).accuracy < best
    assert run("ada: speed=1", ANNOTATORS).accuracy < best


def test_commas_and_semicolons_within_brackets_do_not_separate() -> None:
    assert split("a(1, 2), b", ",") == ["a(1, 2)", "b"]
    (one,) = parse_crew("ada: delay=lognormal(10m, 1.5), speed=120, error=0.1, away=18-8")
    assert one.delay == Wait("lognormal", 600.0, 1.5)
    assert (one.label_seconds, one.error, one.away) == (30.0, 0.1, Hours(18, 8))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *(("", "write 1 to 100"), (";", "write 1 to 100"), ("ada; ada", "write 'ada' once")),
        *((": error=1", "begin with a name"), ("error=0.1", "begin with a name")),
        *(("ada: errors=0.1", "not 'errors'"), ("ada: error=0.1, error=0.2", "write error once")),
        *((f"ada: error={value}", "error=0.1, a share") for value in ("2", "-1", "nan", "x", "")),
        *(
            (f"ada: delay={value}", "delay=600, delay=10m")
            for value in ("-1", "nan", "inf", "gauss(1)", "5x")
        ),
        *(
            (f"ada: delay={value}", "delay=600")
            for value in ("lognormal(5)", "fixed(1,2)", "lognormal(5,-1)")
        ),
        *((f"ada: speed={value}", "above 0") for value in ("0", "-1", "inf", "nan")),
        *((f"ada: away={value}", "two hours") for value in ("8", "8-25", "x-y", "8-8", "0-24")),
        *((f"ada: confuse={value}", "two classes") for value in ("a", "a>b", "a>a:0.1", ">b:0.1", "a>b:2")),
        ("ada: confuse=a>b:0.6, confuse=a>c:0.6", "may be 1 together"),
        (";".join(f"a{n}" for n in range(101)), "write 1 to 100"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_option(text: str, words: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        parse_crew(text)
    assert str(raised.value).startswith("--annotators: ")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_class_that_the_stream_does_not_have_is_a_mistake() -> None:
    with pytest.raises(Misconfigured, match="the stream has no class 'd'; it has a, b, c"):
        made("ada: confuse=a>d:0.1")
    (one,) = crew(parse_crew("ada: confuse=0>1:1"), [0, 1], 0).annotators
    assert one.label("x", 0) == 1
