"""The laws of the fast reader: it reads what the slow reader reads."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.samples import fast_reader
from stream_al.engine.samples.fast_reader import Reader
from stream_al.engine.samples.sample import InputRules, read_sample
from stream_al.errors import BadMessage
from stream_al.messages import decode_json

law = settings(derandomize=True, deadline=None, max_examples=400)
HERE = "samples-0-7"
ids = (
    st.text(min_size=1, max_size=3)
    | st.text(max_size=3)
    | st.integers()
    | st.none()
    | st.just("x" * 600)
    | st.booleans()
)
scalars = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.sampled_from([2**63, -(2**63), 2**63 - 1, 10**400])
    | st.text(max_size=12)
    | st.booleans()
    | st.none()
)
names = st.sampled_from(["id", "x", "y", "features", "payload", "z.1", ""])
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2)
)
flat = st.dictionaries(names, scalars, max_size=5)
records: st.SearchStrategy[Any] = (
    flat
    | st.fixed_dictionaries({"id": ids, "features": flat})
    | st.fixed_dictionaries({"id": ids, "features": flat, "payload": nested})
    | st.dictionaries(names, nested, max_size=5)
    | nested
)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "whole": st.integers() | st.sampled_from([2**63, -(2**63), 2**63 - 1, 2**70]),
    "text": st.text(max_size=12) | st.sampled_from(["x" * 8, "x" * 9]),
    "truth": st.booleans(),
    "nothing": st.none(),
}


@st.composite
def of_one_layout(draw: st.DrawFn) -> list[Any]:
    """Records of one layout, flat or native, as in a stream."""
    kinds = draw(st.dictionaries(names, st.sampled_from([*KINDS]), min_size=1, max_size=4))
    row = st.fixed_dictionaries({name: KINDS[kind] for name, kind in kinds.items()})
    identity = {"id": st.text(min_size=1, max_size=3)}
    native = st.fixed_dictionaries({**identity, "features": row})
    plain = st.tuples(st.fixed_dictionaries(identity), row).map(lambda both: {**both[1], **both[0]})
    return draw(st.lists(native | plain, min_size=2, max_size=6))


any_rules = st.builds(
    InputRules,
    id=st.sampled_from(["auto", "id", "key", "position", "x"]),
    features=st.sampled_from(["auto", ".", "features", "x"]),
    payload=st.none() | st.sampled_from(["y", "payload"]),
    include=st.sampled_from([(), ("x", "y*"), ("*",)]),
    exclude=st.sampled_from([(), ("y",), ("id",)]),
    max_depth=st.integers(1, 4),
    max_features=st.integers(1, 4),
    max_text=st.integers(1, 10),
    max_name=st.integers(0, 3),
)
USUAL = InputRules(max_depth=3, max_features=4, max_text=8)
PLAIN = [USUAL, replace(USUAL, payload="y"), replace(USUAL, features="."), replace(USUAL, exclude=("y",))]
rules = st.sampled_from(PLAIN) | any_rules


def outcome(read: Any) -> Any:
    try:
        return read()
    except BadMessage as error:
        return error.reason, str(error)


@law
@given(rules=rules, batch=st.lists(records, min_size=1, max_size=6), key=st.none() | st.just(b"k"))
def test_a_record_is_read_the_same_after_any_other_records(
    rules: InputRules, batch: list[Any], key: bytes | None
) -> None:
    """Each record is read three times, so that the later times use the plan of the first."""
    same_as_slow_reader(rules, [*batch, *batch, *batch], key)


@law
@given(rules=st.sampled_from(PLAIN) | rules, batch=of_one_layout())
def test_values_are_checked_for_every_plan(rules: InputRules, batch: list[Any]) -> None:
    """For example, a number too large, a text too long, or an object in place of a number."""
    same_as_slow_reader(rules, [*batch[:1], *batch], None)


@pytest.mark.parametrize(
    "batch",
    [
        [{"id": "a", "x": 1}, {"id": "b", "x": 2**63}, {"id": "c", "x": -(2**63)}],
        [{"id": "a", "x": 2.0**63, "y": 0}, {"id": "b", "x": 2**63, "y": 0}, {"id": "c", "x": 1.5, "y": 0}],
        [{"id": "a", "x": "short"}, {"id": "b", "x": "much longer"}],
        [{"id": "a", "x": 1}, {"id": "b", "features": {"id": "c", "x": 1}}],
        [{"id": "a", "x": 1}, {"id": "b", "features": {"x": 1}, "payload": 3}],
        [{"id": "a", "x": 1, "y": 2}, {"id": "", "x": 1, "y": 2}, {"id": 3, "x": 1, "y": 2}],
        [{"id": "a", "x": 1}, {"id": "b", "x": True}, {"id": "c", "x": 1.0}, {"id": "d", "x": None}],
    ],
)
@pytest.mark.parametrize("rules", [USUAL, replace(USUAL, payload="y"), replace(USUAL, features=".")])
def test_a_record_is_not_mistaken_for_a_similar_one(batch: list[Any], rules: InputRules) -> None:
    same_as_slow_reader(rules, [batch[0], *batch, *batch], None)


def same_as_slow_reader(rules: InputRules, batch: list[Any], key: bytes | None) -> None:
    reader = Reader(rules)
    for record in batch:
        due = outcome(lambda record=record: read_sample(record, rules, key=key, position=HERE))
        got = outcome(lambda record=record: reader.read(record, key=key, position=lambda: HERE))
        assert repr(got) == repr(due)  # 1, 1.0 and true are equal, but have different representations


def test_a_stream_of_one_layout_does_not_use_the_slow_reader(monkeypatch: Any) -> None:
    """Otherwise it would not be fast."""
    reader = Reader(InputRules())
    read = {"id": "a", "features": {"x": 1.5, "y": 2, "c": "red", "null": None}}
    reader.read(read, key=None, position=lambda: HERE)
    first = reader.read(read, key=None, position=lambda: HERE)
    monkeypatch.setattr(fast_reader, "read_sample", None)
    again = {"id": "b", "features": {"x": 3.5, "y": 9, "c": "blue", "null": None}}
    second = reader.read(again, key=None, position=lambda: HERE)
    assert second.shape is first.shape
    assert second.features == {"x": 3.5, "y": 9, "c": "blue"}


def test_plans_are_bounded() -> None:
    reader = Reader(InputRules())
    for number in range(3 * fast_reader.LAYOUTS):
        for _ in range(1 + number % 3):
            reader.read({"id": "a", f"x{number}": 1.0}, key=None, position=lambda: HERE)
    assert len(reader._plans) <= fast_reader.LAYOUTS


# --- Numbers that are not finite -------------------------------------------------------------------------

NOT_FINITE = ["NaN", "nan", "Infinity", "-Infinity", "inf", "1e400", "-1e400", "1" + "0" * 400 + ".5"]


@pytest.mark.parametrize("text", NOT_FINITE)
def test_no_record_that_is_decoded_holds_a_number_that_is_not_finite(text: str) -> None:
    """The fast reader does not check floats, since it reads only what the decoder returned."""
    record = b'{"id": "a", "x": 1.5, "y": ' + text.encode() + b"}"
    with pytest.raises(BadMessage) as raised:
        decode_json(record, max_bytes=10_000)
    assert raised.value.reason in {"not_json", "bad_fields"}


@law
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70))
def test_every_number_that_is_decoded_is_read_alike_by_both_readers(number: float) -> None:
    record = decode_json(msgspec.json.encode({"id": "a", "x": number}), max_bytes=10_000)
    same_as_slow_reader(InputRules(), [record, record], None)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_only_the_slow_reader_refuses_a_number_that_is_not_finite(number: float) -> None:
    """So records that are not decoded from JSON must not be given to the fast one."""
    record = {"id": "a", "x": number}
    with pytest.raises(BadMessage) as raised:
        read_sample(record, InputRules(), key=None, position=HERE)
    assert raised.value.reason == "not_finite"
    assert repr(Reader(InputRules()).read(record, key=None, position=lambda: HERE).features["x"]) == repr(
        number
    )


def test_members_that_are_null_count_for_the_fast_reader_too() -> None:
    with pytest.raises(BadMessage, match="members"):
        Reader(InputRules(max_features=1)).read(
            {"id": "a", "x": 1, "y": None, "z": None}, key=None, position=str
        )
