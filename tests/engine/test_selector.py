"""The laws of the selector."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets import MANAGERS, Reason, Situation
from stream_al.engine.selector import STATE_LIMIT_BYTES, Selector
from stream_al.engine.strategies import STRATEGIES, Arrival, utilities

law = settings(derandomize=True, deadline=None, max_examples=40)
arrivals_of = st.lists(st.floats(0, 1), max_size=40).map(
    lambda ps: [Arrival(f"s{i}", {"x": p, "y": 1 - p}) for i, p in enumerate(ps)]
)
every_pair = pytest.mark.parametrize(
    ("strategy", "manager"), [(strategy, manager) for strategy in STRATEGIES for manager in MANAGERS]
)


def selector_of(strategy: str = "margin", manager: str = "stratified", exploration: float = 0.2) -> Selector:
    return Selector(strategy, manager, share=0.3, exploration=exploration, seed=4)


@every_pair
@law
@given(arrivals=arrivals_of, ready=st.booleans())
def test_there_is_one_decision_an_arrival_in_order_and_it_explains_itself(
    strategy: str, manager: str, arrivals: list[Arrival], ready: bool
) -> None:
    selector, situation = selector_of(strategy, manager), Situation(ready=ready)
    decisions, _ = selector.decide(selector.start(), arrivals, situation)
    scores = utilities(STRATEGIES[strategy], arrivals, 4)
    verdicts, _ = MANAGERS[manager](0.3, 0.2, 4).decide(
        selector.manager.start(), scores, [a.id for a in arrivals], situation
    )
    assert [d.id for d in decisions] == [a.id for a in arrivals]
    assert [d.utility for d in decisions] == np.asarray(scores, dtype="<f4").tolist()
    assert all(d.utility >= d.threshold for d in decisions if d.reason is Reason.UNCERTAIN)
    said = [(d.selected, d.threshold, d.propensity, d.reason) for d in decisions]
    assert said == [(v.selected, v.threshold, v.propensity, v.reason) for v in verdicts]


@every_pair
@law
@given(arrivals=arrivals_of, cut=st.integers(0, 40))
def test_a_restart_in_mid_stream_changes_no_decision(
    strategy: str, manager: str, arrivals: list[Arrival], cut: int
) -> None:
    """The state goes through its text, as it does through an offset commit."""
    selector = selector_of(strategy, manager)
    whole, after = selector.decide(selector.start(), arrivals, Situation())
    head, state = selector.decide(selector.start(), arrivals[:cut], Situation())
    reborn = selector_of(strategy, manager)
    tail, end = reborn.decide(reborn.decode(selector.encode(state)), arrivals[cut:], Situation())
    assert head + tail == whole
    assert selector.encode(end) == selector.encode(after)
    assert selector.decode(selector.encode(after)) == after


def test_no_arrivals_change_nothing() -> None:
    selector = selector_of()
    assert selector.decide(selector.start(), [], Situation()) == ([], selector.start())


def test_an_untrained_model_asks_at_random_and_says_so() -> None:
    selector = selector_of()
    unknown = [Arrival(f"s{i}", {}) for i in range(40)]
    decisions, _ = selector.decide(selector.start(), unknown, Situation(ready=False))
    assert {d.utility for d in decisions} == {1.0}
    assert {d.reason for d in decisions if d.selected} == {Reason.WARMUP}
    assert sum(d.selected for d in decisions) == 12


def test_the_most_uncertain_are_preferred() -> None:
    selector = selector_of(exploration=0.0)
    arrivals = [Arrival(str(i), {"x": p, "y": 1 - p}) for i, p in enumerate([0.5, 0.9, 0.9, 0.99] * 30)]
    decisions, _ = selector.decide(selector.start(), arrivals, Situation())
    bought = [d for d in decisions if d.selected]
    assert len(bought) == 36
    assert sum(d.utility == 1.0 for d in bought) >= 24  # of 30; chance would give 9


# --- The text of a state ---------------------------------------------------------------------------------


def text_of(**changes: Any) -> str:
    selector = selector_of()
    _, state = selector.decide(selector.start(), [Arrival("a", {})] * 50, Situation())
    return json.dumps({**json.loads(selector.encode(state)), **changes})


def test_a_text_as_it_was_written_is_read() -> None:
    """The tests below change one thing each."""
    assert selector_of().decode(text_of()) is not None


@pytest.mark.parametrize(
    "text",
    [
        text_of(v=2),
        text_of(v="1"),
        text_of(v=None),
        text_of(manager="other"),
        text_of(manager=["stratified"]),
        text_of(state=None),
        text_of(state={}),
        text_of(state=[]),
        "",
        "{}",
        "null",
        "[]",
        "7",
        '"v"',
        "offset metadata of another program",
        '{"v":1}',
        text_of()[:-1],
        "[" * 100_000,
        '{"v":1,"manager":"stratified","state":' + "1" * 5_000 + "}",
        text_of().replace('"arrivals": 50', '"arrivals": 1e999'),
        text_of().replace('"arrivals": 50', '"arrivals": NaN'),
        text_of().replace('"arrivals": 50', '"arrivals": -1'),
        text_of().replace('"share": 0.3', '"share": -Infinity'),
    ],
)
def test_a_text_that_is_not_ours_gives_no_state(text: str) -> None:
    assert text != text_of()
    assert selector_of().decode(text) is None


@settings(law, max_examples=200)
@given(text=st.text(), at=st.integers(0, 1_000), with_=st.characters())
def test_no_text_whatever_does_more_than_give_no_state(text: str, at: int, with_: str) -> None:
    selector = selector_of()
    ours = text_of()
    at %= len(ours)
    for spoilt in (text, ours[:at], ours[:at] + with_ + ours[at + 1 :]):
        state = selector.decode(spoilt)
        assert state is None or selector.encode(state)


def test_a_state_of_another_manager_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MANAGERS, "twin", MANAGERS["stratified"])
    selector, twin = selector_of(), selector_of(manager="twin")
    assert twin.decode(selector.encode(selector.start())) is None
    assert twin.decode(twin.encode(twin.start())) == twin.start()


def test_a_state_too_large_for_an_offset_commit_is_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    selector = selector_of()
    room = STATE_LIMIT_BYTES - len(selector.encode(selector.start()))
    encoded = selector.manager.encode(selector.start())
    monkeypatch.setattr(selector.manager, "encode", lambda state: {**encoded, "share": state})
    padding = len(str(encoded["share"]))
    assert len(selector.encode("x" * (room + padding - 2))) == STATE_LIMIT_BYTES
    with pytest.raises(ValueError, match="takes 4097 bytes"):
        selector.encode("x" * (room + padding - 1))


def test_the_text_is_ascii_and_can_be_read_by_an_operator() -> None:
    selector = selector_of()
    values = json.loads(selector.encode(selector.start()))
    assert (values["v"], values["manager"], values["state"]["arrivals"]) == (1, "stratified", 0)
    assert selector.encode(selector.start()).isascii()


@pytest.mark.parametrize(("strategy", "manager"), [("telepathy", "stratified"), ("margin", "generous")])
def test_an_unknown_name_is_an_error_at_once(strategy: str, manager: str) -> None:
    with pytest.raises(KeyError):
        selector_of(strategy, manager)
