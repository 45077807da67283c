"""The laws of a streak of bad records."""

from __future__ import annotations

from stream_al.engine.poison import Streak


def test_a_streak_is_reached_by_so_many_bad_records_in_a_row_and_not_by_fewer() -> None:
    streak = Streak()
    for length in range(5):
        assert streak.length == length
        assert not streak.reached(length + 1)
        assert streak.reached(length)
        streak = streak.add(f"mistake {length}")
        assert streak.last == f"mistake {length}"


def test_adding_leaves_the_streak_as_it_was() -> None:
    """So a batch that is dropped leaves no trace."""
    before = Streak().add("one")
    before.add("two")
    assert before == Streak(1, "one")
