"""The laws of every budget manager: what it spends, what it remembers, what it says of its own chances."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets import MANAGERS, BudgetManager, Reason, Situation, Verdict
from stream_al.engine.budgets.stratified import MEMORY, Stratified
from stream_al.engine.selector import STATE_LIMIT_BYTES

SHARES = (0.001, 0.01, 0.05, 0.07, 0.1, 0.3, 1 / 3, 0.5, 0.9, 1.0)
CLAIMING = sorted(name for name, manager in MANAGERS.items() if manager.claims_budget_law)
SELECTING = {Reason.UNCERTAIN, Reason.EXPLORE, Reason.WARMUP}
COLD = Situation(ready=False)
WARM = Situation()

every_manager = pytest.mark.parametrize("name", sorted(MANAGERS))
every_claiming_manager = pytest.mark.parametrize("name", CLAIMING)
every_share = pytest.mark.parametrize("share", SHARES, ids=lambda share: f"{share:.4g}")
law = settings(derandomize=True, deadline=None, max_examples=40)

utilities = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0, 1e-12]), min_size=1, max_size=80)
shares = st.sampled_from(SHARES) | st.floats(0.002, 1.0)
explorations = st.sampled_from([0.0, 0.1, 0.5, 1.0])


def manager_of(name: str, share: float, exploration: float = 0.1, seed: int = 0) -> BudgetManager:
    return MANAGERS[name](share, exploration, seed)


def names(count: int, begin: int = 0) -> list[str]:
    return [f"s{i}" for i in range(begin, begin + count)]


def seeded(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311 -- it draws test data, no secrets


def spent(verdicts: Sequence[Verdict]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How many were bought before each arrival, and after the last."""
    return np.concatenate(([0], np.cumsum([v.selected for v in verdicts])))


def fullest(verdicts: Sequence[Verdict], window: int) -> int:
    """The most purchases in any window."""
    before = spent(verdicts)
    return int((before[window:] - before[:-window]).max()) if len(verdicts) >= window else int(before[-1])


def assert_budget_law(manager: BudgetManager, verdicts: Sequence[Verdict]) -> None:
    asked = manager.share * len(verdicts)
    assert abs(sum(v.selected for v in verdicts) - asked) <= max(1.0, 0.01 * asked)
    assert fullest(verdicts, manager.window) <= manager.share * manager.window + 1


def restored(manager: BudgetManager, state: Any) -> Any:
    return manager.decode(json.loads(json.dumps(manager.encode(state))))


# --- The budget law --------------------------------------------------------------------------------------


def length_for(share: float) -> int:
    return max(1_500, math.ceil(10 / share))


STREAMS: dict[str, Callable[[random.Random, float], float]] = {
    "constant 1": lambda draw, at: 1.0,
    "constant 0": lambda draw, at: 0.0,
    "saturated": lambda draw, at: 1e-12,
    "two-valued": lambda draw, at: float(draw.random() < 0.05),
    "tied": lambda draw, at: draw.randrange(4) / 4,
    "random": lambda draw, at: draw.random(),
    "rising": lambda draw, at: at,
    "falling": lambda draw, at: 1.0 - at,
    "drifting": lambda draw, at: abs(math.sin(9 * at)) * draw.random(),
    "bursts": lambda draw, at: draw.random() * (int(at * 20) % 2),
}


@every_claiming_manager
@every_share
@pytest.mark.parametrize("stream", STREAMS)
def test_the_budget_is_spent_and_never_exceeded_whatever_the_utilities(
    name: str, share: float, stream: str
) -> None:
    """From a cold start, across restarts, in batches of any size."""
    manager, draw = manager_of(name, share), seeded(f"{stream} {share}")
    total = length_for(share)
    values = [STREAMS[stream](draw, i / total) for i in range(total)]
    state, verdicts = manager.start(), []
    for batch in batches(total, draw):
        situation = COLD if batch.start < total // 5 else WARM
        said, state = manager.decide(state, values[batch], names(total)[batch], situation)
        verdicts += said
        state = restored(manager, state)
    assert_budget_law(manager, verdicts)


def batches(total: int, draw: random.Random) -> Iterator[slice]:
    begin = 0
    while begin < total:
        end = min(total, begin + draw.choice((1, 7, 100, 1_000)))
        yield slice(begin, end)
        begin = end


@every_claiming_manager
@every_share
@pytest.mark.parametrize("above", [False, True], ids=["just below", "just above"])
def test_the_budget_holds_against_an_adversary_who_sees_the_threshold(
    name: str, share: float, above: bool
) -> None:
    manager = manager_of(name, share)
    state, verdicts = manager.start(), []
    for sample_id in names(max(200, math.ceil(2.2 / share))):
        (seen,), _ = manager.decide(state, [0.5], [sample_id], WARM)
        bid = np.nextafter(np.float32(seen.threshold), np.float32(above))
        (said,), state = manager.decide(state, [float(bid)], [sample_id], WARM)
        verdicts.append(said)
    assert_budget_law(manager, verdicts)


@every_claiming_manager
@law
@given(share=shares, exploration=explorations, seed=st.integers(0, 5), data=st.data())
def test_no_prefix_of_a_stream_is_more_than_one_label_off(
    name: str, share: float, exploration: float, seed: int, data: st.DataObject
) -> None:
    """Hence the share comes within 1% after 100 labels, and stays there for ever."""
    manager = manager_of(name, share, exploration, seed)
    values = data.draw(utilities) * 8
    verdicts, _ = manager.decide(manager.start(), values, names(len(values)), WARM)
    before = spent(verdicts)
    assert np.abs(before - share * np.arange(len(before))).max() <= 1 + 1e-9
    assert fullest(verdicts, manager.window) <= share * manager.window + 1


@every_claiming_manager
@every_share
def test_windows_of_any_length_are_bounded_too(name: str, share: float) -> None:
    """By `share x length + 2`; by `+ 1` for multiples of the window where 1/share is whole."""
    manager, draw = manager_of(name, share), seeded(1)
    values = [draw.random() for _ in range(length_for(share))]
    verdicts, _ = manager.decide(manager.start(), values, names(len(values)), WARM)
    for length in [*range(1, 40), *(manager.window * times for times in range(1, 12))]:
        assert fullest(verdicts, length) < share * length + 2
    for times in range(1, 12) if share * manager.window == 1.0 else ():
        assert fullest(verdicts, manager.window * times) <= times + 1


@every_claiming_manager
@every_share
def test_a_model_that_knows_nothing_gets_its_first_label_within_one_over_share(
    name: str, share: float
) -> None:
    for seed in range(10):
        manager = manager_of(name, share, seed=seed)
        count = manager.window
        assert count - 1 < 1 / share + 1e-9
        verdicts, _ = manager.decide(manager.start(), [1.0] * count, names(count), COLD)
        assert Reason.WARMUP in {v.reason for v in verdicts if v.selected}


@every_claiming_manager
@law
@given(share=shares, exploration=explorations, rooms=st.lists(st.integers(-1, 3), min_size=1), data=st.data())
def test_a_cap_is_never_exceeded_and_what_it_forbids_is_said(
    name: str, share: float, exploration: float, rooms: list[int], data: st.DataObject
) -> None:
    manager = manager_of(name, share, exploration)
    state, all_said = manager.start(), []
    for step, room in enumerate(rooms):
        values = data.draw(utilities)
        said, state = manager.decide(
            state, values, names(len(values), 100 * step), Situation(ready=step > 1, room=room)
        )
        bought = np.cumsum([v.selected for v in said])
        assert bought[-1] <= max(0, room)
        for count, verdict in zip(bought, said, strict=True):
            full = count - verdict.selected >= room
            assert verdict.propensity == 0.0 if full else exploration == 0.0 or verdict.propensity > 0.0
            assert (verdict.reason is Reason.CAPPED) <= full
            assert not (full and verdict.selected)
        all_said += said
    assert fullest(all_said, manager.window) <= share * manager.window + 1


@every_claiming_manager
def test_a_purchase_that_a_cap_forbids_is_reported_and_lost(name: str) -> None:
    """Capped time is not saved up: when room returns, no more is bought than always."""
    manager = manager_of(name, 0.1)
    shut, state = manager.decide(manager.start(), [0.5] * 200, names(200), Situation(room=0))
    assert sum(v.reason is Reason.CAPPED for v in shut) == 20
    opened, _ = manager.decide(state, [0.5] * 200, names(200, 200), WARM)
    assert sum(v.selected for v in opened) == 20
    assert fullest(shut + opened, manager.window) <= 2


# --- Purity ----------------------------------------------------------------------------------------------


@every_manager
@law
@given(share=shares, exploration=explorations, cuts=st.sets(st.integers(0, 80)), data=st.data())
def test_batches_of_any_size_and_restarts_give_the_decisions_of_one_by_one(
    name: str, share: float, exploration: float, cuts: set[int], data: st.DataObject
) -> None:
    manager = manager_of(name, share, exploration)
    values, ready = data.draw(utilities), data.draw(st.booleans())
    ids, situation = names(len(values)), Situation(ready=ready)
    singly, one_by_one = [], manager.start()
    for value, sample_id in zip(values, ids, strict=True):
        (verdict,), one_by_one = manager.decide(one_by_one, [value], [sample_id], situation)
        singly.append(verdict)
    edges = [0, *sorted(cut for cut in cuts if cut < len(values)), len(values)]
    batched, state = [], manager.start()
    for begin, end in pairwise(edges):
        said, state = manager.decide(state, values[begin:end], ids[begin:end], situation)
        batched += said
        state = restored(manager, state)
    assert batched == singly
    assert state == one_by_one


@every_manager
@law
@given(share=shares, exploration=explorations, first=utilities, then=utilities)
def test_deciding_changes_neither_state_nor_arguments_and_repeats_itself(
    name: str, share: float, exploration: float, first: list[float], then: list[float]
) -> None:
    manager = manager_of(name, share, exploration)
    _, state = manager.decide(manager.start(), first, names(len(first)), WARM)
    before, given_values, ids = manager.encode(state), list(then), names(len(then), 100)
    once = manager.decide(state, then, ids, WARM)
    assert manager.encode(state) == before
    assert (then, ids) == (given_values, names(len(then), 100))
    assert manager.decide(state, then, ids, WARM) == once
    assert manager_of(name, share, exploration).decide(restored(manager, state), then, ids, WARM) == once
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.share = 1.0


@every_manager
@every_share
def test_the_state_survives_json_and_fits_an_offset_commit_at_all_times(name: str, share: float) -> None:
    manager, draw = manager_of(name, share, 0.123456789012345678), seeded(2)
    state = manager.start()
    for batch in range(30):
        count = draw.choice((1, 20, 100))
        text = json.dumps(manager.encode(state))
        assert text.isascii()
        assert len(text) <= STATE_LIMIT_BYTES - 100  # the selector adds who wrote it
        assert manager.decode(json.loads(text)) == state
        values = [draw.random() for _ in range(count)]
        _, state = manager.decide(state, values, names(count, 100 * batch), WARM)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


@every_manager
@settings(law, max_examples=150)
@given(data=st.data())
def test_a_spoilt_state_is_refused_or_harmless(name: str, data: st.DataObject) -> None:
    """`decode` raises ValueError and nothing else; what it lets pass decides and encodes as any other."""
    manager = manager_of(name, 0.1)
    _, state = manager.decide(manager.start(), [0.5] * 33, names(33), WARM)
    values = manager.encode(state)
    member = data.draw(st.sampled_from(sorted(values)))
    values[member] = data.draw(
        json_values | st.sampled_from([math.inf, -math.inf, -1, 2, 10**400, "AAAA" * 900])
    )
    try:
        state = manager.decode(values)
    except ValueError:
        return
    verdicts, after = manager.decide(state, [0.5] * 250, names(250), WARM)
    assert len(json.dumps(manager.encode(after))) <= STATE_LIMIT_BYTES - 100
    assert all(0.0 <= v.propensity <= 1.0 for v in verdicts)
    assert fullest(verdicts, manager.window) <= manager.share * manager.window + 1


@every_manager
@law
@given(junk=json_values)
def test_junk_is_no_state(name: str, junk: Any) -> None:
    with pytest.raises(ValueError, match="not a state"):
        manager_of(name, 0.1).decode(junk)


@every_manager
@pytest.mark.parametrize("missing", range(5))
def test_a_state_that_lacks_a_member_is_refused(name: str, missing: int) -> None:
    manager = manager_of(name, 0.1)
    values = manager.encode(manager.start())
    del values[sorted(values)[missing % len(values)]]
    with pytest.raises(ValueError, match="not a state"):
        manager.decode(values)


@every_manager
@pytest.mark.parametrize(
    ("share", "exploration"), [(0.0, 0.1), (-1, 0.1), (1.1, 0.1), (0.1, -0.1), (0.1, 1.1)]
)
def test_a_share_or_exploration_outside_its_range_is_refused(
    name: str, share: float, exploration: float
) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        manager_of(name, share, exploration)


def memory_of(*values: float) -> str:
    return b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("arrivals", value) for value in (-1, 2**63, 1.5, math.inf, "1", None)),
        *(("share", value) for value in (0.0, -0.1, 1.5, math.nan, "0.1", None)),
        *(("exploration", value) for value in (-0.1, 1.1, math.nan, "0.1", None)),
        *(("flags", value) for value in ([1, 0, 0], [1, 0, 0, 0, 0], 7, None)),
        ("recent", memory_of(*[0.5] * (MEMORY + 1))),
        ("recent", memory_of(math.nan)),
        ("recent", memory_of(-0.5)),
        ("recent", memory_of(1.5)),
        *(("recent", value) for value in ("AAA", "AAA=", "?", "\xe9", 7, None)),
    ],
)
def test_a_state_with_a_value_that_cannot_be_is_refused(member: str, value: Any) -> None:
    """Each would spoil every later decision, or outgrow an offset commit."""
    manager = Stratified(0.1, 0.1, 0)
    _, state = manager.decide(manager.start(), [0.5] * 33, names(33), WARM)
    values = {**manager.encode(state), member: value}
    with pytest.raises(ValueError, match="not a state"):
        manager.decode(values)


@every_claiming_manager
def test_another_share_begins_a_new_account_and_keeps_its_budget(name: str) -> None:
    before, after = manager_of(name, 0.5), manager_of(name, 0.1)
    _, state = before.decide(before.start(), [0.5] * 333, names(333), WARM)
    verdicts, state = after.decide(after.decode(before.encode(state)), [0.5] * 1000, names(1000), WARM)
    assert_budget_law(after, verdicts)
    assert (state.share, state.arrivals) == (0.1, 1000)


# --- Propensity ------------------------------------------------------------------------------------------


SEEDS = 1500
DESIGNS: dict[str, tuple[float, float, Callable[[int], Situation]]] = {
    "explores a little": (0.1, 0.1, lambda i: WARM),
    "strata of unequal length": (0.3, 0.4, lambda i: WARM),
    "explores always": (0.125, 1.0, lambda i: WARM),
    "warms up": (0.2, 0.1, lambda i: Situation(ready=i > 7)),
    "capped in between": (0.1, 0.5, lambda i: Situation(room=0 if 3 <= i <= 5 else 9)),
}


@every_claiming_manager
@pytest.mark.parametrize("design", DESIGNS)
def test_the_propensity_is_the_frequency_over_the_draws(name: str, design: str) -> None:
    """Of many seeds as many select a position as the recorded propensity says, up to 4.5 sigma."""
    share, exploration, situation = DESIGNS[design]
    draw = seeded(3)
    values = [draw.random() for _ in range(20)]
    selected, recorded = np.zeros(20), None
    for seed in range(SEEDS):
        manager = manager_of(name, share, exploration, seed)
        state, said = manager.start(), []
        for i, value in enumerate(values):
            (verdict,), state = manager.decide(state, [value], [f"s{i}"], situation(i))
            said.append(verdict)
        propensities = [v.propensity for v in said]
        assert recorded in (None, propensities)  # known before the draw, so not a matter of the seed
        recorded = propensities
        selected += [v.selected for v in said]
    p = np.array(recorded)
    sigma = np.sqrt(p * (1 - p) / SEEDS)
    assert np.all(np.abs(selected / SEEDS - p) <= 4.5 * sigma + 1e-12)


@every_claiming_manager
@every_share
def test_propensities_add_up_to_the_budget_and_never_reach_zero(name: str, share: float) -> None:
    manager, draw = manager_of(name, share), seeded(4)
    values = [draw.random() for _ in range(length_for(share))]
    verdicts, _ = manager.decide(manager.start(), values, names(len(values)), WARM)
    assert all(0.0 < v.propensity <= 1.0 for v in verdicts)
    assert abs(sum(v.propensity for v in verdicts) - share * len(values)) <= 1.0


@every_claiming_manager
def test_exploration_of_one_selects_whatever_the_utility(name: str) -> None:
    """The same arrivals are selected for any utilities, all at the same propensity."""
    manager, draw = manager_of(name, 0.05, exploration=1.0), seeded(5)
    flat, _ = manager.decide(manager.start(), [0.0] * 1000, names(1000), WARM)
    lively, _ = manager.decide(manager.start(), [draw.random() for _ in range(1000)], names(1000), WARM)
    assert [v.selected for v in flat] == [v.selected for v in lively]
    assert {v.propensity for v in flat + lively} == {0.05}
    assert {v.reason for v in flat if v.selected} == {Reason.EXPLORE}


@every_claiming_manager
def test_exploration_of_zero_never_explores(name: str) -> None:
    draw = seeded(6)
    values = [draw.random() for _ in range(1000)]
    runs = []
    for seed in range(5):
        manager = manager_of(name, 0.05, exploration=0.0, seed=seed)
        verdicts, _ = manager.decide(manager.start(), values, names(1000), WARM)
        assert {v.reason for v in verdicts if v.selected} == {Reason.UNCERTAIN}
        assert all(v.propensity == v.selected for v in verdicts)
        runs.append(verdicts)
    assert all(run == runs[0] for run in runs)  # nothing is drawn, so the seed has no say


# --- Explanations and worth ------------------------------------------------------------------------------


@every_claiming_manager
@law
@given(share=shares, exploration=explorations, ready=st.booleans(), values=utilities)
def test_every_verdict_agrees_with_its_reason(
    name: str, share: float, exploration: float, ready: bool, values: list[float]
) -> None:
    manager = manager_of(name, share, exploration)
    verdicts, _ = manager.decide(manager.start(), values, names(len(values)), Situation(ready=ready))
    for verdict, value in zip(verdicts, values, strict=True):
        assert verdict.selected == (verdict.reason in SELECTING)
        assert verdict.selected <= (verdict.propensity > 0.0)
        assert 0.0 <= verdict.threshold <= 1.0
        if verdict.reason is Reason.UNCERTAIN:
            assert np.float32(value) >= verdict.threshold
        if verdict.selected:
            assert (verdict.reason is Reason.WARMUP) == (not ready)


@every_claiming_manager
def test_what_is_bought_is_worth_more_than_what_passes(name: str) -> None:
    manager, draw = manager_of(name, 0.05), seeded(7)
    values = [draw.random() for _ in range(10_000)]
    verdicts, _ = manager.decide(manager.start(), values, names(10_000), WARM)
    worth = [value for value, v in zip(values, verdicts, strict=True) if v.reason is Reason.UNCERTAIN]
    assert float(np.mean(worth)) > 0.85
    random_ones = [value for value, v in zip(values, verdicts, strict=True) if v.reason is Reason.EXPLORE]
    assert 0.3 < float(np.mean(random_ones)) < 0.7


@law
@given(share=st.floats(1e-6, 1.0), arrival=st.integers(0, 10**15))
def test_strata_partition_the_stream(share: float, arrival: int) -> None:
    """Every arrival lies in one stratum; strata adjoin and are no longer than the window."""
    manager = Stratified(share, 0.1, 0)
    begin, end = manager.bounds(arrival)
    assert begin <= arrival < end
    assert end - begin <= manager.window
    assert manager.bounds(begin) == manager.bounds(end - 1) == (begin, end)
    assert manager.bounds(end)[0] == end


def test_the_memory_is_bounded_and_holds_the_last_utilities() -> None:
    manager, draw = Stratified(0.1, 0.1, 0), seeded(8)
    values = [draw.random() for _ in range(3 * MEMORY)]
    _, state = manager.decide(manager.start(), values, names(len(values)), WARM)
    assert state.recent == tuple(np.asarray(values[-MEMORY:], dtype="<f4").tolist())


def test_a_threshold_is_a_quantile_of_the_memory() -> None:
    """With n arrivals left after this one, n / (n + 1) of the remembered utilities lie below it."""
    manager = Stratified(0.1, 0.0, 0)
    _, state = manager.decide(manager.start(), [i / 64 for i in range(60)], names(60), WARM)
    thresholds = []
    for left in reversed(range(10)):
        (verdict,), state = manager.decide(state, [0.0], [f"t{left}"], WARM)
        thresholds.append(verdict.threshold)
        if left:
            remembered = sorted([0.0] * (9 - left) + [i / 64 for i in range(60)])
            assert verdict.threshold == remembered[len(remembered) * left // (left + 1)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[-1] == 0.0


def test_too_many_ids_are_a_bug_and_not_cut_off() -> None:
    with pytest.raises(ValueError, match="zip"):
        Stratified(0.1, 0.1, 0).decide(Stratified(0.1, 0.1, 0).start(), [0.5], ["a", "b"], WARM)


def test_a_longer_memory_of_equal_utilities_is_no_reason_to_ask_less() -> None:
    """Utilities that are all equal, as saturated models give, are bought at once, not at the end."""
    manager = Stratified(0.01, 0.0, 0)
    verdicts, _ = manager.decide(manager.start(), [1e-12] * 1000, names(1000), WARM)
    assert [i % 100 for i, v in enumerate(verdicts) if v.selected] == [0] * 10
