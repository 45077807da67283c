"""The law of the states of partitions: they are read from what any program may have written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from stream_al.engine.budgets.caps import Account
from stream_al.engine.budgets.second_labels import Credit
from stream_al.engine.partition_state import State, decode, encode
from stream_al.engine.strategies.history.history import History
from tests.support.managers import WARM, every_manager, manager_of, names, with_pending

HUGE = 10**400  # no float holds it
ODD: list[Any] = [None, True, -1, 0, 0.5, 2**70, HUGE, -HUGE, 1e308, "", "////", [], {}, [None] * 3]
UTILITIES = [0.1, 0.9, 0.5] * 20


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a value of JSON."""
    yield place
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*place, name))


def with_odd(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    found = inner = deepcopy(value)
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = odd
    return found


@every_manager
def test_whatever_stands_in_a_state_it_is_refused_or_can_be_used(name: str) -> None:
    """A state that ends the process that reads it would end every process that gets the partition."""
    manager = manager_of(name, 0.1)
    _, account = with_pending(manager, UTILITIES)
    text = encode(State(account, Account(), History(), Credit(0.5, 1)), name, manager)
    whole = json.loads(text)
    assert decode(text, name, manager, uses_history=True) is not None
    for place in places(whole):
        for odd in ODD:
            spoilt = json.dumps(with_odd(whole, place, odd))
            found = decode(spoilt, name, manager, uses_history=True)
            if found is not None:
                made, after = manager.decide(found.account, UTILITIES, names(len(UTILITIES)), WARM)
                assert all(0.0 <= decision.propensity <= 1.0 for decision in made)
                encode(State(after, found.spent, found.history, found.credit), name, manager)
