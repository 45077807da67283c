"""The laws of the selector."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets import MANAGERS, Context, Decision, Reason
from stream_al.engine.budgets.caps import Caps
from stream_al.engine.encoding import pack
from stream_al.engine.partition_state import STATE_LIMIT_BYTES, State
from stream_al.engine.randomness import uniform
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import STRATEGIES, ScoredSample
from stream_al.engine.strategies.base import HistoryFactor
from stream_al.engine.strategies.history import QUERIES, SAMPLES, VALUES, History
from stream_al.errors import Misconfigured

law = settings(derandomize=True, deadline=None, max_examples=40)
sketches = st.binary(min_size=16, max_size=16) | st.sampled_from([bytes(16), bytes([129] * 16)])
candidates = st.tuples(st.floats(0, 1), st.none() | sketches)
arrivals_of = st.lists(candidates, max_size=40).map(
    lambda seen: [
        ScoredSample(f"s{i}", {"x": p, "y": 1 - p}, p if sketch else 1.0, sketch)
        for i, (p, sketch) in enumerate(seen)
    ]
)
STREAM = [(p, bytes([int(100 * p) + i % 7] * 16)) for i, p in enumerate(np.linspace(0, 1, 120).tolist())]
REMEMBERING = [name for name, factor in STRATEGIES.items() if isinstance(factor, HistoryFactor)]
every_manager = pytest.mark.parametrize("manager", MANAGERS)
every_pair = pytest.mark.parametrize(
    ("strategy", "manager"),
    [
        (strategy, manager)
        for strategy in ["margin", *REMEMBERING, " * ".join(["margin", *REMEMBERING])]
        for manager in MANAGERS
    ],
)


def selector_of(strategy: str = "margin", manager: str = "stratified", exploration: float = 0.2) -> Selector:
    return Selector(strategy, manager, share=0.3, exploration=exploration, seed=4)


@every_manager
@law
@given(arrivals=arrivals_of, ready=st.booleans())
def test_there_is_one_decision_an_arrival_in_order_and_it_explains_itself(
    manager: str, arrivals: list[ScoredSample], ready: bool
) -> None:
    selector, context = selector_of("margin", manager), Context(ready=ready)
    decisions, _ = selector.decide(selector.start(), arrivals, context)
    scores = [arrival.utility for arrival in arrivals]
    by_manager, _ = MANAGERS[manager](0.3, 0.2, 4).decide(
        selector.manager.start(), scores, [a.id for a in arrivals], context
    )
    assert [d.id for d in decisions] == [a.id for a in arrivals]
    assert [d.utility for d in decisions] == np.asarray(scores, dtype="<f4").tolist()
    assert all(d.utility >= d.threshold for d in decisions if d.reason is Reason.UNCERTAIN)
    assert decisions == by_manager


@every_pair
@law
@given(arrivals=arrivals_of, cut=st.integers(0, 40))
def test_a_restart_in_mid_stream_changes_no_decision(
    strategy: str, manager: str, arrivals: list[ScoredSample], cut: int
) -> None:
    """The state goes through its text, as it does through an offset commit."""
    selector = selector_of(strategy, manager)
    whole, after = selector.decide(selector.start(), arrivals, Context())
    head, state = selector.decide(selector.start(), arrivals[:cut], Context())
    now = Context().after(sum(d.selected for d in head))
    reborn = selector_of(strategy, manager)
    back = reborn.decode(selector.encode(state))
    assert back is not None
    tail, end = reborn.decide(back, arrivals[cut:], now)
    assert head + tail == whole
    assert selector.encode(end) == selector.encode(after)
    assert selector.decode(selector.encode(after)) == after


@every_pair
@law
@given(arrivals=arrivals_of, cuts=st.sets(st.integers(0, 40)), room=st.integers(0, 9))
def test_batches_decide_as_one_by_one(
    strategy: str, manager: str, arrivals: list[ScoredSample], cuts: set[int], room: int
) -> None:
    """Memory and verdicts interleave, yet where a batch ends has no say; the room is used up alike."""
    selector = selector_of(strategy, manager)
    whole, after = selector.decide(selector.start(), arrivals, Context(room=room))
    decisions: list[Decision] = []
    state, ends = selector.start(), sorted({*cuts, len(arrivals)})
    for begin, end in zip([0, *ends], ends, strict=False):
        now = Context(room=room).after(sum(d.selected for d in decisions))
        made, state = selector.decide(state, arrivals[begin:end], now)
        decisions += made
    assert (decisions[: len(whole)], state) == (whole, after)
    assert sum(d.selected for d in whole) <= room


@pytest.mark.parametrize("strategy", REMEMBERING)
def test_what_was_decided_is_remembered(strategy: str) -> None:
    """The last samples and the last queries, in order, and no more of them than there is room for."""
    selector = selector_of(strategy)
    arrivals = [
        ScoredSample(f"s{i}", {"x": p, "y": 1 - p}, p, sketch) for i, (p, sketch) in enumerate(STREAM)
    ]
    decisions, after = selector.decide(selector.start(), arrivals, Context())
    asked = [sketch for (_, sketch), decision in zip(STREAM, decisions, strict=True) if decision.selected]
    assert len(asked) > QUERIES
    assert after.history is not None
    assert after.history.samples == b"".join(sketch for _, sketch in STREAM[-SAMPLES:])
    assert after.history.queries == b"".join(asked[-QUERIES:])
    assert {d.utility for d in decisions} != {np.float32(p) for p, _ in STREAM}


@pytest.mark.parametrize("strategy", REMEMBERING)
def test_a_sample_that_the_model_cannot_judge_is_neither_judged_by_memory_nor_remembered(
    strategy: str,
) -> None:
    selector = selector_of(strategy)
    known = State(selector.manager.start(), history=History(bytes(320), bytes(160)))
    arrivals = [ScoredSample(f"s{i}", {}, 1.0) for i in range(20)]
    decisions, after = selector.decide(known, arrivals, Context(ready=False))
    assert {d.utility for d in decisions} == {1.0}
    assert after.history == known.history


def test_no_arrivals_change_nothing() -> None:
    selector = selector_of()
    assert selector.decide(selector.start(), [], Context()) == ([], selector.start())


def test_an_untrained_model_asks_at_random_and_says_so() -> None:
    selector = selector_of()
    unknown = [ScoredSample(f"s{i}", {}, 1.0) for i in range(40)]
    decisions, _ = selector.decide(selector.start(), unknown, Context(ready=False))
    assert {d.utility for d in decisions} == {1.0}
    assert {d.reason for d in decisions if d.selected} == {Reason.WARMUP}
    assert sum(d.selected for d in decisions) == 12


def test_the_most_uncertain_are_preferred() -> None:
    """Of every three or four the best would have a utility of 0.77 in the mean, any of them one of 0.5."""
    selector = selector_of(exploration=0.0)
    arrivals = [ScoredSample(f"s{i}", {}, uniform(0, "utility", str(i))) for i in range(1000)]
    decisions, _ = selector.decide(selector.start(), arrivals, Context())
    bought = [d.utility for d in decisions if d.selected]
    assert len(bought) == 300
    assert sum(bought) / 300 > 0.67


# --- The text of a state ---------------------------------------------------------------------------------


def text_of(**changes: Any) -> str:
    selector = selector_of()
    _, state = selector.decide(selector.start(), [ScoredSample("a", {}, 1.0)] * 50, Context())
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
    encoded = selector.manager.encode(selector.start().account)
    monkeypatch.setattr(selector.manager, "encode", lambda state: {**encoded, "share": state})
    padding = len(str(encoded["share"]))
    assert len(selector.encode(State("x" * (room + padding - 2)))) == STATE_LIMIT_BYTES
    with pytest.raises(ValueError, match="takes 4097 bytes"):
        selector.encode(State("x" * (room + padding - 1)))


def test_the_text_is_ascii_and_can_be_read_by_an_operator() -> None:
    selector = selector_of()
    values = json.loads(selector.encode(selector.start()))
    assert (values["v"], values["manager"], values["state"]["arrivals"]) == (1, "stratified", 0)
    assert selector.encode(selector.start()).isascii()


def test_an_unknown_name_is_an_error_at_once() -> None:
    with pytest.raises(Misconfigured, match=r"out of margin, .*not 'telepathy'"):
        selector_of("telepathy")
    with pytest.raises(KeyError):
        selector_of(manager="generous")


# --- The memory in the text ------------------------------------------------------------------------------


def full(strategy: str = "diversity", manager: str = "stratified") -> tuple[Selector, State]:
    """A state as large as it gets."""
    selector = selector_of(strategy, manager)
    arrivals = [
        ScoredSample(f"s{i}", {"x": 0.1, "y": 0.9}, 1 / (3 + i), bytes([i % 100] * 16)) for i in range(600)
    ]
    return selector, selector.decide(selector.start(), arrivals, Context())[1]


@every_manager
def test_account_and_memory_together_fit_an_offset_commit(manager: str) -> None:
    selector, state = full(manager=manager)
    values = (
        tuple(np.linspace(0, 1, VALUES, dtype="<f4").tolist()),
    ) * 4  # of all three factors, and the model's
    history = History(bytes(range(256)) * 3, bytes(range(256)) * 2, values)
    state = replace(state, history=replace(history, samples=history.samples[: SAMPLES * 16]))
    assert state.history is not None
    assert (len(state.history.samples), len(state.history.queries)) == (SAMPLES * 16, QUERIES * 16)
    assert len(selector.encode(state)) <= STATE_LIMIT_BYTES
    assert selector.decode(selector.encode(state)) == state


def test_a_state_from_before_there_was_a_memory_is_read_and_the_other_way_round() -> None:
    """Whoever changes the strategy keeps the account."""
    forgetful, (remembering, state) = selector_of(), full()
    plain = replace(state, history=None)
    assert remembering.decode(forgetful.encode(plain)) == replace(state, history=History())
    assert forgetful.decode(remembering.encode(state)) == plain


BLANK: dict[str, Any] = {"samples": "", "queries": "", "values": []}


@pytest.mark.parametrize(
    "history",
    [
        *(None, [], "", 7, {}, {"samples": ""}, {"samples": "", "queries": None}),
        {"samples": "", "queries": ""},
        *({**BLANK, "queries": text} for text in ("AAAA", "*" * 16, None)),
        *({**BLANK, "samples": text} for text in ([0] * 16, "\u00e9" * 16, "A" * 4 * 16 * SAMPLES)),
        *({**BLANK, "values": [""] * number} for number in (17, 1000)),
        *({**BLANK, "values": [text]} for text in ("AAA=", "A", 7, None, "A" * 8 * VALUES)),
        {**BLANK, "values": 7},
        *({**BLANK, "values": [pack([0.5, value])]} for value in (np.nan, np.inf, -0.5, 1.5)),
    ],
)
def test_a_memory_that_is_not_ours_gives_no_state(history: Any) -> None:
    selector, state = full()
    values = json.loads(selector.encode(state))
    assert selector.decode(json.dumps(values)) == state
    assert selector.decode(json.dumps({**values, "memory": history})) is None


@settings(law, max_examples=200)
@given(at=st.integers(0, 4_000), with_=st.characters())
def test_no_spoilt_text_of_a_memory_does_more_than_give_no_state(at: int, with_: str) -> None:
    """Whatever is read can be decided with."""
    selector, ours = selector_of("diversity * density"), TEXT
    at %= len(ours)
    for spoilt in (ours[:at], ours[:at] + with_ + ours[at + 1 :]):
        state = selector.decode(spoilt)
        if state is not None:
            arrival = ScoredSample("next", {"x": 0.5, "y": 0.5}, 0.5, bytes(range(16)))
            (made,), after = selector.decide(state, [arrival], Context())
            assert 0.0 <= made.utility <= 1.0
            assert selector.encode(after)


TEXT = full("diversity * density")[0].encode(full("diversity * density")[1])


# --- Caps on the number of labels ------------------------------------------------------------------------

HOUR_MS = 3_600_000


def capped(**caps: int) -> Selector:
    return Selector("margin", "stratified", share=0.5, exploration=0.1, seed=4, caps=Caps(**caps))


stamped = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4 * HOUR_MS)), max_size=60).map(
    lambda seen: [ScoredSample(f"s{i}", {"x": p, "y": 1 - p}, p, None, ms) for i, (p, ms) in enumerate(seen)]
)


@law
@given(
    arrivals=stamped, per_hour=st.integers(1, 5), total=st.integers(1, 12), cuts=st.sets(st.integers(0, 60))
)
def test_the_lowest_cap_binds_whatever_the_batches(
    arrivals: list[ScoredSample], per_hour: int, total: int, cuts: set[int]
) -> None:
    """Never more in all, nor in an hour of the log; batches and restarts decide as one batch does."""
    selector = capped(per_hour=per_hour, total=total)
    whole, after = selector.decide(selector.start(), arrivals, Context())
    assert sum(d.selected for d in whole) <= total == selector.caps.total
    bought = Counter[int]()
    hour = 0
    for arrival, decision in zip(arrivals, whole, strict=True):
        hour = max(hour, arrival.timestamp_ms // HOUR_MS)
        bought[hour] += decision.selected
        assert decision.propensity > 0 or not decision.selected
    assert max(bought.values(), default=0) <= per_hour
    parts: list[Decision] = []
    state, ends = selector.start(), sorted({*cuts, len(arrivals)})
    for begin, end in zip([0, *ends], ends, strict=False):
        now = Context().after(sum(d.selected for d in parts))
        made, next_state = selector.decide(state, arrivals[begin:end], now)
        back = selector.decode(selector.encode(next_state))
        assert back is not None
        parts, state = parts + made, back
    assert (parts[: len(whole)], state) == (whole, after)


def test_the_cap_that_binds_has_a_name() -> None:
    arrivals = [ScoredSample(f"s{i}", {"x": 0.5, "y": 0.5}, 1.0) for i in range(40)]
    for caps, name in (({}, "share"), ({"total": 3}, "total"), ({"per_hour": 3}, "per_hour")):
        selector = capped(**caps)
        _, state = selector.decide(selector.start(), arrivals, Context())
        assert selector.binding(state, Context()) == name
        assert selector.binding(state, Context(room=0)) == "pending"


def test_caps_are_divided_among_partitions() -> None:
    """Replicas that do not talk keep a cap of the whole application together."""
    selector = capped(total=7)
    arrivals = [ScoredSample(f"s{i}", {"x": 0.5, "y": 0.5}, 1.0) for i in range(40)]
    bought = []
    for partition in range(3):
        place = Context(partition=partition, partitions=3)
        bought.append(sum(d.selected for d in selector.decide(selector.start(), arrivals, place)[0]))
    assert bought == [3, 2, 2]
