"""The laws of consecutive errors."""

from __future__ import annotations

from stream_al.engine.poison import ConsecutiveErrors


def test_a_limit_is_reached_by_as_many_bad_records_in_a_row_and_by_no_fewer() -> None:
    errors = ConsecutiveErrors()
    for length in range(5):
        assert errors.length == length
        assert not errors.reached(length + 1)
        assert errors.reached(length)
        errors = errors.add(f"mistake {length}")
        assert errors.last == f"mistake {length}"


def test_adding_an_error_leaves_the_value_as_it_was() -> None:
    """So a batch that is dropped has no effect."""
    before = ConsecutiveErrors().add("one")
    before.add("two")
    assert before == ConsecutiveErrors(1, "one")
