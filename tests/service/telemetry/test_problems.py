"""Problems: counted by kind and reason, shown with the newest example, logged at a bounded rate."""

from __future__ import annotations

import pytest
import structlog

from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import LOG_SECONDS, MOST_ROWS, OTHERS, Kind, Problems
from stream_al.service.timing.clock import Clock


class Stopped(Clock):
    """A clock that a test sets."""

    now = 1000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Stopped:
    return Stopped()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("app")


@pytest.fixture
def problems(metrics: Metrics, clock: Stopped) -> Problems:
    return Problems(metrics, clock)


def counted(metrics: Metrics, reason: str) -> float | None:
    labels = {"kind": "label_refused", "reason": reason}
    return metrics.registry.get_sample_value("stream_al_problems_total", labels)


def test_a_problem_is_counted_by_kind_and_reason(problems: Problems, metrics: Metrics) -> None:
    problems.report(Kind.LABEL_REFUSED, "binary_model", "a third class", count=3)
    problems.report(Kind.LABEL_REFUSED, "binary_model", "a third class")
    assert counted(metrics, "binary_model") == 4
    assert problems.count(Kind.LABEL_REFUSED) == 4


def test_the_table_shows_the_newest_message_and_sample_first(problems: Problems, clock: Stopped) -> None:
    problems.report(Kind.LABEL_REFUSED, "one", "the first", sample="a")
    clock.now += 1
    problems.report(Kind.NO_OPINION, "two", "another", sample="b")
    clock.now += 1
    problems.report(Kind.LABEL_REFUSED, "one", "the last", sample="c")
    assert [(row["reason"], row["count"], row["message"], row["sample"]) for row in problems.describe()] == [
        ("one", 2, "the last", "c"),
        ("two", 1, "another", "b"),
    ]


def test_the_first_problem_is_logged_at_once_and_the_next_after_a_while_with_their_number(
    problems: Problems, clock: Stopped
) -> None:
    with structlog.testing.capture_logs() as lines:
        for second in range(int(LOG_SECONDS) + 1):
            clock.now = 1000.0 + second
            problems.report(Kind.LABEL_REFUSED, "binary_model", "a third class", sample="x")
    assert [line["times"] for line in lines] == [1, LOG_SECONDS]
    assert lines[0]["why"] == "a third class"


def test_a_reason_does_not_silence_another(problems: Problems) -> None:
    with structlog.testing.capture_logs() as lines:
        problems.report(Kind.LABEL_REFUSED, "one", "why")
        problems.report(Kind.LABEL_REFUSED, "two", "why")
    assert [line["reason"] for line in lines] == ["one", "two"]


def test_rows_and_texts_have_bounds(problems: Problems, metrics: Metrics) -> None:
    for number in range(MOST_ROWS + 50):
        problems.report(Kind.LABEL_REFUSED, f"reason_{number}", "m" * 10_000, sample="s" * 10_000)
    rows = problems.describe()
    assert len(rows) == MOST_ROWS + 1
    assert counted(metrics, OTHERS) == 50
    assert all(len(row["message"]) <= 300 and len(row["sample"]) <= 300 for row in rows)
