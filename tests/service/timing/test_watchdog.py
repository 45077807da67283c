"""The watchdog's rule: what counts as standing still, and what does not."""

from __future__ import annotations

import pytest

from stream_al.service.timing.watchdog import Progress, Watchdog

START = 1000.0
LIMIT = 60.0


@pytest.fixture
def loop() -> Progress:
    return Progress()


@pytest.fixture
def watchdog(loop: Progress) -> Watchdog:
    """A watchdog over one loop, on since START."""
    made = Watchdog(LIMIT, [loop])
    made.start(START)
    return made


def works(loop: Progress, now: float, *, records_wait: bool) -> None:
    """A round in which the loop polls and comes back with nothing, and somebody looks at its lag."""
    loop.step(now)
    loop.observe(now, records_wait=records_wait)


def test_a_start_does_not_count(loop: Progress) -> None:
    """However long it takes, also after an earlier life."""
    watchdog = Watchdog(LIMIT, [loop])
    assert watchdog.stalled(START) == 0.0
    assert watchdog.live(START)
    watchdog.start(START)
    assert watchdog.stalled(START + 1.0) == 1.0


def test_a_stop_does_not_count(watchdog: Watchdog) -> None:
    watchdog.stop()
    assert watchdog.stalled(START + 10 * LIMIT) == 0.0


def test_a_loop_that_hangs_is_stalled(watchdog: Watchdog, loop: Progress) -> None:
    loop.step(START + 10.0)
    assert watchdog.stalled(START + 25.0) == 15.0


def test_a_loop_whose_polls_return_empty_although_records_wait_is_stalled(
    watchdog: Watchdog, loop: Progress
) -> None:
    """This is how aiokafka's consumers hang (aio-libs/aiokafka#1154): the loop goes round all the time."""
    for seconds in range(0, 61, 5):
        works(loop, START + seconds, records_wait=True)
    assert watchdog.stalled(START + 60.0) == 60.0
    assert watchdog.expired(START + 60.0)


def test_a_loop_that_reads_is_not_stalled_however_many_records_wait(
    watchdog: Watchdog, loop: Progress
) -> None:
    for seconds in range(0, 601, 5):
        works(loop, START + seconds, records_wait=True)
        loop.move(START + seconds)
    assert watchdog.stalled(START + 600.0) == 0.0


def test_a_loop_with_nothing_to_read_is_not_stalled(watchdog: Watchdog, loop: Progress) -> None:
    for seconds in range(0, 601, 5):
        works(loop, START + seconds, records_wait=False)
    assert watchdog.stalled(START + 600.0) == 0.0


def test_records_that_come_after_an_idle_time_count_from_their_coming(
    watchdog: Watchdog, loop: Progress
) -> None:
    works(loop, START + 600.0, records_wait=False)
    works(loop, START + 605.0, records_wait=True)
    assert watchdog.stalled(START + 605.0) == 5.0


def test_a_broker_that_is_away_stops_the_count(watchdog: Watchdog, loop: Progress) -> None:
    works(loop, START + 20.0, records_wait=True)
    for seconds in range(20, 600, 5):
        loop.step(START + seconds)  # it backs off and tries again
        loop.not_observed()
    assert watchdog.stalled(START + 595.0) == 20.0


def test_after_a_broker_was_away_the_count_begins_anew(watchdog: Watchdog, loop: Progress) -> None:
    works(loop, START + 20.0, records_wait=True)
    loop.not_observed()
    works(loop, START + 600.0, records_wait=True)
    assert watchdog.stalled(START + 600.0) == 0.0
    works(loop, START + 660.0, records_wait=True)
    assert watchdog.stalled(START + 660.0) == 60.0


def test_the_slowest_loop_counts(loop: Progress) -> None:
    other = Progress()
    watchdog = Watchdog(LIMIT, [loop, other])
    watchdog.start(START)
    other.step(START + 50.0)
    assert watchdog.stalled(START + 60.0) == 60.0
    loop.step(START + 60.0)
    assert watchdog.stalled(START + 60.0) == 10.0


def test_a_loop_that_waits_for_a_task_is_stalled_no_longer_than_that_task(
    watchdog: Watchdog, loop: Progress
) -> None:
    task = loop.waits_for = Progress(working=False)
    assert watchdog.stalled(START + 100.0) == 100.0
    task.working = True
    task.step(START + 90.0)
    assert watchdog.stalled(START + 100.0) == 10.0
    assert watchdog.stalled(START + 150.0) == 60.0
    task.working = False
    assert watchdog.stalled(START + 150.0) == 150.0


def test_liveness_fails_before_the_process_has_to_end(watchdog: Watchdog) -> None:
    """A supervisor that asks may restart the process before it ends itself."""
    assert [(watchdog.live(START + s), watchdog.expired(START + s)) for s in (47.9, 48.1, 59.9, 60.0)] == [
        (True, False),
        (False, False),
        (False, False),
        (False, True),
    ]
