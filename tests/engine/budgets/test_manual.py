"""The laws of manual queries: they cost nothing beyond the budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_al.engine.budgets import Context, Decision, Reason
from stream_al.engine.budgets.manual import displace
from stream_al.engine.explore.explanation import why
from stream_al.messages import ClassLabel
from tests.support.managers import every_manager, law, manager_of, names, shares, utilities


@every_manager
@law
@given(
    utilities,
    shares,
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 5)), max_size=6),
    st.integers(0, 50),
)
def test_as_many_labels_are_bought_at_the_same_moments(
    name: str, values: list[float], share: float, asked: list[tuple[int, int]], room: int
) -> None:
    """In every window, whenever people ask, and under a cap too."""
    manager = manager_of(name, share)
    state, waiting = manager.start(), 0
    for place, utility in enumerate(values):
        waiting += sum(number for moment, number in asked if moment == place)
        made, state = manager.decide(state, [utility], names(1, place), Context(room=room))
        after, displaced = displace(made, waiting)
        bought = sum(one.selected for one in made)
        room -= bought
        assert sum(one.selected for one in after) + len(displaced) == bought
        assert len(displaced) == min(waiting, bought)
        waiting -= len(displaced)


@law
@given(st.lists(st.booleans(), max_size=30), st.integers(0, 10))
def test_the_first_purchases_are_displaced_and_nothing_else_changes(
    selected: list[bool], waiting: int
) -> None:
    made = [
        Decision(str(n), one, 0.5, 0.25, 0.9, Reason.UNCERTAIN if one else Reason.BELOW)
        for n, one in enumerate(selected)
    ]
    after, places = displace(made, waiting)
    assert places == [n for n, one in enumerate(selected) if one][:waiting]
    assert [n for n, one in enumerate(after) if one.reason is Reason.DISPLACED] == places
    kept = [n for n, one in enumerate(selected) if one][waiting:]
    assert [n for n, one in enumerate(after) if one.selected] == kept
    end = places[-1] + 1 if len(places) == waiting and places else len(made) if waiting else 0
    assert all(one.propensity == 0.0 for one in after[:end])  # whatever came, it could not be selected
    assert after[end:] == made[end:]


def test_every_reason_has_a_sentence() -> None:
    opinions: list[dict[ClassLabel, float]] = [{}, {"a": 1.0}, {"a": 0.5, "b": 0.5}, {1: 0.9, "1": 0.1}]
    for reason in Reason:
        for probabilities in opinions:
            for failure in (None, "it broke"):
                said = why(Decision("x", False, 0.5, 0.25, 0.1, reason), probabilities, failure)
                assert said.startswith(("Chosen", "Not chosen"))
                assert said.endswith(".")
