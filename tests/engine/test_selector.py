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
from stream_al.engine.strategies.history.history import QUERIES, SAMPLES, VALUES, History
from stream_al.errors import Misconfigured

law = settings(derandomize=True, deadline=None, max_examples=40)
sketches = st.binary(min_size=16, max_size=16) | st.sampled_from([bytes(16), bytes([129] * 16)])
candidates = st.tuples(st.floats(0, 1), st.none() | sketches)
samples_of = st.lists(candidates, max_size=40).map(
    lambda drawn: [
        ScoredSample(f"s{i}", {"x": p, "y": 1 - p}, p if sketch else 1.0, sketch)
        for i, (p, sketch) in enumerate(drawn)
    ]
)
STREAM = [(p, bytes([int(100 * p) + i % 7] * 16)) for i, p in enumerate(np.linspace(0, 1, 120).tolist())]
HISTORY_FACTORS = [name for name, factor in STRATEGIES.items() if isinstance(factor, HistoryFactor)]
every_manager = pytest.mark.parametrize("manager", MANAGERS)
every_pair = pytest.mark.parametrize(
    ("strategy", "manager"),
    [
        (strategy, manager)
        for strategy in ["margin", *HISTORY_FACTORS, " * ".join(["margin", *HISTORY_FACTORS])]
        for manager in MANAGERS
    ],
)


def selector_of(strategy: str = "margin", manager: str = "stratified", exploration: float = 0.2) -> Selector:
    return Selector(strategy, manager, share=0.3, exploration=exploration, seed=4)


@every_manager
@law
@given(scored=samples_of, ready=st.booleans())
def test_there_is_one_decision_for_each_sample_in_order_with_its_reason(
    manager: str, scored: list[ScoredSample], ready: bool
) -> None:
    selector, context = selector_of("margin", manager), Context(ready=ready)
    decisions, _ = selector.decide(selector.start(), scored, context)
    scores = [sample.utility for sample in scored]
    by_manager, _ = MANAGERS[manager](0.3, 0.2, 4).decide(
        selector.manager.start(), scores, [a.id for a in scored], context
    )
    assert [d.id for d in decisions] == [a.id for a in scored]
    assert [d.utility for d in decisions] == np.asarray(scores, dtype="<f4").tolist()
    assert all(d.utility >= d.threshold for d in decisions if d.reason is Reason.UNCERTAIN)
    assert decisions == by_manager


@every_pair
@law
@given(scored=samples_of, cut=st.integers(0, 40))
def test_a_restart_changes_no_decision(
    strategy: str, manager: str, scored: list[ScoredSample], cut: int
) -> None:
    """The state is encoded and decoded, as by an offset commit."""
    selector = selector_of(strategy, manager)
    whole, after = selector.decide(selector.start(), scored, Context())
    head, state = selector.decide(selector.start(), scored[:cut], Context())
    now = Context().after(sum(d.selected for d in head))
    restarted = selector_of(strategy, manager)
    back = restarted.decode(selector.encode(state))
    assert back is not None
    tail, end = restarted.decide(back, scored[cut:], now)
    assert head + tail == whole
    assert selector.encode(end) == selector.encode(after)
    assert selector.decode(selector.encode(after)) == after


@every_pair
@law
@given(scored=samples_of, cuts=st.sets(st.integers(0, 40)), room=st.integers(0, 9))
def test_batches_give_the_decisions_of_one_by_one(
    strategy: str, manager: str, scored: list[ScoredSample], cuts: set[int], room: int
) -> None:
    """Decisions and history depend on each other, and neither depends on where a batch ends."""
    selector = selector_of(strategy, manager)
    whole, after = selector.decide(selector.start(), scored, Context(room=room))
    decisions: list[Decision] = []
    state, ends = selector.start(), sorted({*cuts, len(scored)})
    for begin, end in zip([0, *ends], ends, strict=False):
        now = Context(room=room).after(sum(d.selected for d in decisions))
        made, state = selector.decide(state, scored[begin:end], now)
        decisions += made
    assert (decisions[: len(whole)], state) == (whole, after)
    assert sum(d.selected for d in whole) <= room


@pytest.mark.parametrize("strategy", HISTORY_FACTORS)
def test_decisions_enter_the_history(strategy: str) -> None:
    """The last samples and the last queries, in order, up to their limits."""
    selector = selector_of(strategy)
    scored = [ScoredSample(f"s{i}", {"x": p, "y": 1 - p}, p, sketch) for i, (p, sketch) in enumerate(STREAM)]
    decisions, after = selector.decide(selector.start(), scored, Context())
    asked = [sketch for (_, sketch), decision in zip(STREAM, decisions, strict=True) if decision.selected]
    assert len(asked) > QUERIES
    assert after.history is not None
    assert after.history.samples == b"".join(sketch for _, sketch in STREAM[-SAMPLES:])
    assert after.history.queries == b"".join(asked[-QUERIES:])
    assert {d.utility for d in decisions} != {np.float32(p) for p, _ in STREAM}


@pytest.mark.parametrize("strategy", HISTORY_FACTORS)
def test_a_sample_without_a_prediction_neither_uses_nor_enters_the_history(
    strategy: str,
) -> None:
    selector = selector_of(strategy)
    known = State(selector.manager.start(), history=History(bytes(320), bytes(160)))
    scored = [ScoredSample(f"s{i}", {}, 1.0) for i in range(20)]
    decisions, after = selector.decide(known, scored, Context(ready=False))
    assert {d.utility for d in decisions} == {1.0}
    assert after.history == known.history


def test_a_batch_without_samples_changes_nothing() -> None:
    selector = selector_of()
    assert selector.decide(selector.start(), [], Context()) == ([], selector.start())


def test_with_an_untrained_model_samples_are_selected_at_random_for_warm_up() -> None:
    selector = selector_of()
    unknown = [ScoredSample(f"s{i}", {}, 1.0) for i in range(40)]
    decisions, _ = selector.decide(selector.start(), unknown, Context(ready=False))
    assert {d.utility for d in decisions} == {1.0}
    assert {d.reason for d in decisions if d.selected} == {Reason.WARMUP}
    assert sum(d.selected for d in decisions) == 12


def test_the_most_uncertain_are_preferred() -> None:
    """The best of three or four has a mean utility of 0.77, and any of them one of 0.5."""
    selector = selector_of(exploration=0.0)
    scored = [ScoredSample(f"s{i}", {}, uniform(0, "utility", str(i))) for i in range(1000)]
    decisions, _ = selector.decide(selector.start(), scored, Context())
    bought = [d.utility for d in decisions if d.selected]
    assert len(bought) == 300
    assert sum(bought) / 300 > 0.67


# --- The text of a state ---------------------------------------------------------------------------------


def text_of(**changes: Any) -> str:
    selector = selector_of()
    _, state = selector.decide(selector.start(), [ScoredSample("a", {}, 1.0)] * 50, Context())
    return json.dumps({**json.loads(selector.encode(state)), **changes})


def test_a_text_that_was_not_changed_is_read() -> None:
    """So the tests below fail for the one thing that each changes."""
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
def test_a_text_of_another_program_gives_no_state(text: str) -> None:
    assert text != text_of()
    assert selector_of().decode(text) is None


@settings(law, max_examples=200)
@given(text=st.text(), at=st.integers(0, 1_000), with_=st.characters())
def test_any_text_gives_a_state_or_none(text: str, at: int, with_: str) -> None:
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


# --- The history in the text -----------------------------------------------------------------------------


def full(strategy: str = "diversity", manager: str = "stratified") -> tuple[Selector, State]:
    """A state of the largest size."""
    selector = selector_of(strategy, manager)
    scored = [
        ScoredSample(f"s{i}", {"x": 0.1, "y": 0.9}, 1 / (3 + i), bytes([i % 100] * 16)) for i in range(600)
    ]
    return selector, selector.decide(selector.start(), scored, Context())[1]


@every_manager
def test_account_and_history_together_fit_an_offset_commit(manager: str) -> None:
    selector, state = full(manager=manager)
    values = (
        tuple(np.linspace(0, 1, VALUES, dtype="<f4").tolist()),
    ) * 4  # of all history factors, and of the model factors
    history = History(bytes(range(256)) * 3, bytes(range(256)) * 2, values)
    state = replace(state, history=replace(history, samples=history.samples[: SAMPLES * 16]))
    assert state.history is not None
    assert (len(state.history.samples), len(state.history.queries)) == (SAMPLES * 16, QUERIES * 16)
    assert len(selector.encode(state)) <= STATE_LIMIT_BYTES
    assert selector.decode(selector.encode(state)) == state


def test_a_state_without_a_history_is_read_by_a_strategy_with_one_and_the_reverse() -> None:
    """So the account is kept when the strategy changes."""
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
def test_a_history_of_another_program_gives_no_state(history: Any) -> None:
    selector, state = full()
    values = json.loads(selector.encode(state))
    assert selector.decode(json.dumps(values)) == state
    assert selector.decode(json.dumps({**values, "memory": history})) is None


@settings(law, max_examples=200)
@given(at=st.integers(0, 4_000), with_=st.characters())
def test_any_damaged_text_of_a_history_gives_no_state_or_a_usable_one(at: int, with_: str) -> None:
    """Any state that is decoded can be used."""
    selector, ours = selector_of("diversity * density"), TEXT
    at %= len(ours)
    for spoilt in (ours[:at], ours[:at] + with_ + ours[at + 1 :]):
        state = selector.decode(spoilt)
        if state is not None:
            sample = ScoredSample("next", {"x": 0.5, "y": 0.5}, 0.5, bytes(range(16)))
            (made,), after = selector.decide(state, [sample], Context())
            assert 0.0 <= made.utility <= 1.0
            assert selector.encode(after)


TEXT = full("diversity * density")[0].encode(full("diversity * density")[1])


# --- Caps on the number of labels ------------------------------------------------------------------------

HOUR_MS = 3_600_000


def capped(**caps: int) -> Selector:
    return Selector("margin", "stratified", share=0.5, exploration=0.1, seed=4, caps=Caps(**caps))


stamped = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4 * HOUR_MS)), max_size=60).map(
    lambda drawn: [
        ScoredSample(f"s{i}", {"x": p, "y": 1 - p}, p, None, ms) for i, (p, ms) in enumerate(drawn)
    ]
)


@law
@given(scored=stamped, per_hour=st.integers(1, 5), total=st.integers(1, 12), cuts=st.sets(st.integers(0, 60)))
def test_the_lowest_cap_binds_for_any_batches(
    scored: list[ScoredSample], per_hour: int, total: int, cuts: set[int]
) -> None:
    """In total and in every hour of the log; restarts and any batches give the decisions of one batch."""
    selector = capped(per_hour=per_hour, total=total)
    whole, after = selector.decide(selector.start(), scored, Context())
    assert sum(d.selected for d in whole) <= total == selector.caps.total
    bought = Counter[int]()
    hour = 0
    for sample, decision in zip(scored, whole, strict=True):
        hour = max(hour, sample.timestamp_ms // HOUR_MS)
        bought[hour] += decision.selected
        assert decision.propensity > 0 or not decision.selected
    assert max(bought.values(), default=0) <= per_hour
    parts: list[Decision] = []
    state, ends = selector.start(), sorted({*cuts, len(scored)})
    for begin, end in zip([0, *ends], ends, strict=False):
        now = Context().after(sum(d.selected for d in parts))
        made, next_state = selector.decide(state, scored[begin:end], now)
        back = selector.decode(selector.encode(next_state))
        assert back is not None
        parts, state = parts + made, back
    assert (parts[: len(whole)], state) == (whole, after)


def test_the_cap_that_binds_has_a_name() -> None:
    scored = [ScoredSample(f"s{i}", {"x": 0.5, "y": 0.5}, 1.0) for i in range(40)]
    for caps, name in (({}, "share"), ({"total": 3}, "total"), ({"per_hour": 3}, "per_hour")):
        selector = capped(**caps)
        _, state = selector.decide(selector.start(), scored, Context())
        assert selector.binding(state, Context()) == name
        assert selector.binding(state, Context(room=0)) == "pending"


def test_caps_are_divided_among_partitions() -> None:
    """Replicas that exchange no messages keep a cap of the whole application together."""
    selector = capped(total=7)
    scored = [ScoredSample(f"s{i}", {"x": 0.5, "y": 0.5}, 1.0) for i in range(40)]
    bought = []
    for partition in range(3):
        place = Context(partition=partition, partitions=3)
        bought.append(sum(d.selected for d in selector.decide(selector.start(), scored, place)[0]))
    assert bought == [3, 2, 2]
