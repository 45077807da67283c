"""The laws of reading a sample out of any stream's records."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.samples.sample import InputRules, flat_features, position_id, read_sample
from stream_al.engine.samples.table import Feature, Sample, sample_of
from stream_al.errors import BadMessage
from stream_al.identity import MAX_ID_CHARACTERS, key_text
from stream_al.messages import decode_json

HERE = "samples-0-17"
POSITION = InputRules(id="position")
law = settings(derandomize=True, deadline=None, max_examples=80)


def read(record: Any, key: bytes | None = None, **rules: Any) -> Sample:
    return read_sample(record, InputRules(**rules), key=key, position=HERE)


def reason(record: Any, key: bytes | None = None, **rules: Any) -> str:
    with pytest.raises(BadMessage) as caught:
        read(record, key, **rules)
    assert str(caught.value)
    return caught.value.reason


def nested(levels: int) -> dict[str, Any]:
    """An object of that many levels, with one feature in the last."""
    record: dict[str, Any] = {"x": 1}
    for _ in range(levels - 1):
        record = {"n": record}
    return record


# --- Where id, features and payload are ------------------------------------------------------------------


NATIVE = {"id": "a", "features": {"x": 1, "geo": {"at": [5, 6.5]}}, "payload": {"text": "t"}, "other": 9}
FLAT: dict[str, Feature] = {"x": 1, "geo.at.0": 5, "geo.at.1": 6.5}


@pytest.mark.parametrize(
    ("record", "rules", "sample"),
    [
        (NATIVE, {}, sample_of("a", FLAT, {"text": "t"})),
        (NATIVE, {"payload": "other"}, sample_of("a", FLAT, 9)),
        (NATIVE, {"payload": "payload.text"}, sample_of("a", FLAT, "t")),
        (NATIVE, {"payload": "nowhere"}, sample_of("a", FLAT, None)),
        (NATIVE, {"id": "other"}, sample_of("9", FLAT, {"text": "t"})),
        (NATIVE, {"id": "position"}, sample_of(HERE, FLAT, {"text": "t"})),
        (NATIVE, {"id": "key"}, sample_of("the key", FLAT, {"text": "t"})),
        (NATIVE, {"features": "features.geo"}, sample_of("a", {"at.0": 5, "at.1": 6.5}, None)),
        (NATIVE, {"features": "payload"}, sample_of("a", {"text": "t"}, None)),
        (
            NATIVE,
            {"features": ".", "payload": "payload"},
            sample_of(
                "a",
                {**{f"features.{name}": value for name, value in FLAT.items()}, "other": 9},
                {"text": "t"},
            ),
        ),
        ({"id": 7, "x": 2.5, "payload": 3}, {}, sample_of("7", {"x": 2.5, "payload": 3}, None)),
        ({"id": "a", "features": 3}, {}, sample_of("a", {"features": 3}, None)),
        ({"x": 1, "t": {"id": "b", "y": 2}}, {"id": "t.id"}, sample_of("b", {"x": 1, "t.y": 2}, None)),
        ({"x": 1, "gone": None, "deep": {"gone": None}}, {}, sample_of("the key", {"x": 1}, None)),
        (
            {"x": True, "y": "", "z": "text"},
            {},
            sample_of("the key", {"x": True, "y": "", "z": "text"}, None),
        ),
        ({"id": None, "x": 1}, {}, sample_of("the key", {"x": 1}, None)),
        ({"x": 2**63}, {}, sample_of("the key", {"x": float(2**63)}, None)),
        ({"x": 2**63 - 1}, {}, sample_of("the key", {"x": 2**63 - 1}, None)),
    ],
)
def test_id_features_and_payload_are_where_the_rules_say(
    record: dict[str, Any], rules: dict[str, Any], sample: Sample
) -> None:
    before = json.dumps(record)
    found = read(record, b"the key", **rules)
    assert found == sample
    assert list(found.features) == list(sample.features)  # in the record's order, on which sums depend
    assert {name: type(value) for name, value in found.features.items()} == {
        name: type(value) for name, value in sample.features.items()
    }
    assert json.dumps(record) == before


@pytest.mark.parametrize(
    ("include", "exclude", "kept"),
    [
        ((), (), ["x", "geo.at.0", "geo.at.1", "Xy"]),
        (("geo.*",), (), ["geo.at.0", "geo.at.1"]),
        (("geo.*", "x"), (), ["x", "geo.at.0", "geo.at.1"]),
        ((), ("geo.*",), ["x", "Xy"]),
        (("geo.*",), ("*.1",), ["geo.at.0"]),
        (("x*",), (), ["x"]),
        (("?", "[X]y"), (), ["x", "Xy"]),
    ],
)
def test_include_and_exclude_are_patterns_of_flat_names(
    include: tuple[str, ...], exclude: tuple[str, ...], kept: list[str]
) -> None:
    record = {"x": 1, "geo": {"at": [5, 6]}, "Xy": 2}
    assert list(read(record, include=include, exclude=exclude).features) == kept


def test_without_id_and_key_the_position_is_the_id() -> None:
    assert read({"x": 1}).id == HERE == position_id("samples", 0, 17)
    assert read({"x": 1}, b"k").id == "k"
    assert read({"x": 1}, b"\xff").id == key_text(b"\xff") == "base64:_w=="


# --- What cannot be used ---------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [None, True, 3, 2.5, "text", [], [{"x": 1}]])
def test_a_record_that_is_no_object_is_refused(record: Any) -> None:
    assert reason(record) == "not_an_object"


@pytest.mark.parametrize(
    ("expected", "record", "rules"),
    [
        ("no_id", {"x": 1}, {"id": "key"}),
        ("no_id", {"x": 1}, {"id": "t.id"}),
        ("no_id", {"x": 1, "t": 3}, {"id": "t.id"}),
        ("no_id", {"x": 1, "t": {"id": None}}, {"id": "t.id"}),
        ("bad_id", {"id": "", "x": 1}, {}),
        ("bad_id", {"id": "i" * (MAX_ID_CHARACTERS + 1), "x": 1}, {}),
        ("bad_id", {"id": 2.5, "x": 1}, {}),
        ("bad_id", {"id": True, "x": 1}, {}),
        ("bad_id", {"id": [1], "x": 1}, {}),
        ("bad_id", {"id": {"a": 1}, "x": 1}, {}),
        ("bad_id", {"id": 2**128, "x": 1}, {}),
        ("bad_id", {"id": 10**4000, "x": 1}, {}),
        ("no_features", {}, {}),
        ("no_features", {"id": "a"}, {}),
        ("no_features", {"id": "a", "features": {}}, {}),
        ("no_features", {"x": None, "y": [], "z": {}}, {}),
        ("no_features", {"x": 1}, {"features": "data"}),
        ("no_features", {"data": 3}, {"features": "data"}),
        ("no_features", {"x": 1}, {"exclude": ("*",)}),
        ("no_features", {"x": 1}, {"include": ("y",)}),
        ("not_finite", {"x": float("nan")}, {}),
        ("not_finite", {"x": json.loads("1e999")}, {}),
        ("not_finite", {"x": [-float("inf")]}, {}),
        ("not_finite", {"x": 10**400}, {}),
        ("bad_features", {"x": b"bytes"}, {}),
        ("bad_features", {"x": {1}}, {}),
        ("too_deep", nested(9), {}),
        ("too_deep", {"x": 1, "payload": [[[[[[[[]]]]]]]]}, {}),
        ("too_deep", nested(3), {"max_depth": 2}),
        ("too_deep", {"features": {"x": 1}, "payload": nested(8)}, {}),
        ("too_deep", {"features": {"x": 1}, "other": [[[[[[[[1]]]]]]]]}, {}),
        ("too_many_features", {"x": [0] * 6}, {"max_features": 5}),
        ("text_too_long", {"x": "t" * 6}, {"max_text": 5}),
        ("name_too_long", {"n" * 6: 1}, {"max_name": 5}),
        ("name_too_long", {"nnn": {"mm": 1}}, {"max_name": 5}),
        ("name_too_long", {"nnnn": [1, 2, 3]}, {"max_names": 14}),
        ("name_too_long", {"nnnn": [[], [], []]}, {"max_names": 14}),
        ("too_many_features", {"x": 1, "y": None, "z": None}, {"max_features": 1}),
        ("too_many_features", {"x": 1, "y": [None, None]}, {"max_features": 1}),
        ("too_many_features", {"x": 1, "y": [[], []]}, {"max_features": 1}),
        ("too_many_features", {"x": 1, "y": [1, 2]}, {"max_features": 1, "exclude": ("y*",)}),
    ],
)
def test_every_unusable_record_has_its_reason(expected: str, record: Any, rules: dict[str, Any]) -> None:
    assert reason(record, **rules) == expected


@pytest.mark.parametrize(
    ("record", "rules"),
    [
        ({"id": "i" * MAX_ID_CHARACTERS, "x": 1}, {}),
        ({"id": 2**128 - 1, "x": 1}, {}),
        ({"id": -(2**100), "x": 1}, {}),
        (nested(8), {}),
        (nested(2), {"max_depth": 2}),
        ({"x": [0] * 5}, {"max_features": 5}),
        ({"x": "t" * 5}, {"max_text": 5}),
        ({"x": 1, "y": float("nan")}, {"exclude": ("y",)}),
    ],
)
def test_a_record_at_a_limit_is_read(record: Any, rules: dict[str, Any]) -> None:
    assert read(record, **rules).features


def test_an_empty_key_is_no_id() -> None:
    assert reason({"x": 1}, b"") == "bad_id"
    assert reason({"x": 1}, b"k" * (MAX_ID_CHARACTERS + 1), id="key") == "bad_id"


@pytest.mark.parametrize("levels", [9, 500, 100_000])
def test_no_depth_exhausts_the_stack(levels: int) -> None:
    value: Any = {"x": 1}
    for _ in range(levels):
        value = [value]
    assert reason({"x": value}) == "too_deep"
    with pytest.raises(BadMessage, match="deeper"):
        flat_features({"x": value}, POSITION)
    while isinstance(value, list):  # otherwise the interpreter frees it by recursion
        value = value.pop()


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("levels", [10, 100, 1_000, 20_000])
def test_bytes_of_any_depth_give_a_bad_message(opening: bytes, levels: int) -> None:
    closing = opening.replace(b"[", b"]").replace(b'{"a":', b"}")[::-1]
    value = b'{"x":' + opening * levels + b"1" + closing * levels + b"}"
    with pytest.raises(BadMessage) as caught:
        read(decode_json(value, max_bytes=10**7))
    assert caught.value.reason == "too_deep"


# --- Any record ------------------------------------------------------------------------------------------


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**400])
    | st.floats()
    | st.text(st.characters(codec=None), max_size=12)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=5),
    max_leaves=20,
)
objects = st.dictionaries(
    st.sampled_from(["id", "features", "payload", "x", ""]) | st.text(max_size=4), json_values, max_size=6
)
rules_ = st.builds(
    InputRules,
    id=st.sampled_from(["auto", "key", "position", "id", "features.id", "x.y", ""]),
    features=st.sampled_from(["auto", ".", "features", "x", ""]),
    payload=st.sampled_from([None, "payload", "features.x", ""]),
    include=st.sampled_from([(), ("*",), ("x*",), ("[",)]),
    exclude=st.sampled_from([(), ("x",), ("*.0",)]),
    max_depth=st.integers(1, 4),
    max_features=st.integers(1, 5),
    max_text=st.integers(0, 8),
)


@settings(law, max_examples=250)
@given(record=objects | json_values, rules=rules_, key=st.none() | st.binary(max_size=5))
def test_any_record_gives_a_sound_sample_or_a_bad_message(
    record: Any, rules: InputRules, key: bytes | None
) -> None:
    try:
        sample = read_sample(record, rules, key=key, position=HERE)
    except BadMessage:
        return
    assert isinstance(sample.id, str)
    assert 0 < len(sample.id) <= MAX_ID_CHARACTERS
    assert 0 < len(sample.features) <= rules.max_features
    for name, value in sample.features.items():
        assert isinstance(name, str)
        assert type(value) in {str, int, float, bool}
        assert not isinstance(value, str) or len(value) <= rules.max_text
        assert isinstance(value, str) or (isfinite(value) and (type(value) is not int or abs(value) < 2**63))
    assert read_sample(record, rules, key=key, position=HERE) == sample


@law
@given(record=objects)
def test_flat_features_stay_as_they_are(record: dict[str, Any]) -> None:
    """Reading the features of a sample again changes nothing."""
    try:
        features = flat_features(record, POSITION)
    except BadMessage:
        return
    assert flat_features(features, POSITION) == features
