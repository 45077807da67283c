"""The laws of the messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.randomness import uniform
from stream_al.errors import BadMessage
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.json_records import MAX_OBJECTS
from stream_al.messages import (
    MAX_LABEL_CHARACTERS,
    Example,
    Label,
    ModelStamp,
    Prediction,
    PredictionRecord,
    Query,
    decode,
    decode_json,
    encode,
    iso,
    label_text,
)
from stream_al.replica_messages import ByHand, Lease, RuntimeModel, RuntimeSettings
from tests.support.stream import query

KINDS: tuple[type[Label] | type[Example] | type[Query], ...] = (Label, Example, Query)
LIMIT = 10_000_000
law = settings(derandomize=True, deadline=None, max_examples=60)

finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | st.integers() | finite | st.text(max_size=8)
things = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
ids = st.text(min_size=1, max_size=MAX_ID_CHARACTERS)
labels = (
    st.booleans() | st.integers(-(2**63), 2**64) | finite | st.text(max_size=20).map(str.strip).filter(bool)
)
features = st.dictionaries(st.text(max_size=4), things, max_size=3)
texts = st.none() | st.text(max_size=8)
times = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
predictions = st.builds(
    Prediction,
    label=st.none() | labels,
    probabilities=st.dictionaries(st.text(max_size=4), finite, max_size=3),
)
messages = {
    Label: st.builds(
        Label, ids, label=labels, annotator=texts, labelled_at=texts, features=st.none() | features
    ),
    Example: st.builds(
        Example,
        ids,
        label=labels,
        features=st.none() | features,
        annotator=texts,
        propensity=st.none() | finite,
        reason=texts,
        prediction=st.none() | predictions,
        queried_at=texts,
        labelled_at=texts,
        model=st.none()
        | st.builds(ModelStamp, st.text(max_size=4), st.text(max_size=4), st.integers(0, 2**60)),
    ),
    Query: st.builds(
        Query,
        id=ids,
        features=features,
        prediction=predictions,
        utility=finite,
        threshold=finite,
        propensity=finite,
        reason=st.text(max_size=8),
        strategy=st.text(max_size=8),
        model=st.builds(ModelStamp, st.text(max_size=4), st.text(max_size=4), st.integers(0, 2**60)),
        sampled_at=times,
        queried_at=times,
        expires_at=times,
        payload=things,
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def reason(kind: Any, value: bytes | None, max_bytes: int = LIMIT) -> str:
    with pytest.raises(BadMessage) as caught:
        decode(kind, value, max_bytes=max_bytes)
    assert str(caught.value)
    return caught.value.reason


@every_kind
@law
@given(data=st.data())
def test_an_encoded_message_decodes_to_an_equal_one(kind: Any, data: st.DataObject) -> None:
    message: Any = data.draw(messages[kind])
    value = encode(message)
    again = decode(kind, value, max_bytes=LIMIT)
    assert again == message
    assert encode(again) == value  # types as well: 1, 1.0 and true are equal in Python and not in JSON
    assert json.loads(value)["id"] == message.id


@every_kind
@law
@given(data=st.data(), junk=things)
def test_unknown_members_are_ignored(kind: Any, data: st.DataObject, junk: Any) -> None:
    message = data.draw(messages[kind])
    values_ = {**json.loads(encode(message)), "a member of a later version": junk}
    assert decode(kind, json.dumps(values_).encode(), max_bytes=LIMIT) == message


@every_kind
@settings(law, max_examples=150)
@given(data=st.data())
def test_any_bytes_give_a_message_or_a_bad_message(kind: Any, data: st.DataObject) -> None:
    whole = encode(data.draw(messages[kind]))
    at = data.draw(st.integers(0, len(whole)))
    spoilt = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 2)) :]
    strange = json.dumps({"id": data.draw(things), "label": data.draw(things)}).encode()
    for value in (data.draw(st.binary()), spoilt, whole[:at], strange):
        for read in (partial(decode, kind), decode_json):
            wrong = None
            try:
                encode(read(value, max_bytes=LIMIT))  # whatever could be read can be written
            except BadMessage as bad:
                wrong = bad.reason
            assert wrong in {None, "not_json", "bad_fields", "bad_time", "label_too_long", "no_label"}


def test_an_empty_record_and_a_tombstone_are_bad_messages() -> None:
    assert reason(Label, None) == "null_value"
    assert reason(Label, b"") == "not_json"


@every_kind
def test_size_is_checked_before_anything_is_parsed(kind: Any) -> None:
    assert reason(kind, b"x" * 11, max_bytes=10) == "too_large"
    assert reason(kind, b"x" * 10, max_bytes=10) == "not_json"


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "Infinity", "1" * 5_000])
def test_an_infinite_or_undefined_number_is_refused(text: str) -> None:
    assert reason(Label, f'{{"id":"a","label":{text}}}'.encode()) in {"bad_fields", "not_json"}
    with pytest.raises(BadMessage):
        decode_json(f'{{"x":{text}}}'.encode(), max_bytes=LIMIT)


@every_kind
@pytest.mark.parametrize("opening", [b"[", b'{"id":', b'{"unknown":', b'{"features":{"a":'])
def test_no_depth_exhausts_the_stack(kind: Any, opening: bytes) -> None:
    assert reason(kind, opening * 20_000) in {"too_deep", "bad_fields", "not_json"}
    assert reason(kind, b'{"id":"a","features":{"x":' + b"[" * 20_000) == "too_deep"


# --- Ids and labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"label":"x"}', "bad_fields"),
        ('{"id":null,"label":"x"}', "bad_fields"),
        ('{"id":7.5,"label":"x"}', "bad_fields"),
        ('{"id":true,"label":"x"}', "bad_fields"),
        ('{"id":1e16,"label":"x"}', "bad_fields"),
        (f'{{"id":{2**128},"label":"x"}}', "bad_fields"),
        ('{"id":"a","label":"x","annotator":7.5}', "bad_fields"),
        ('{"id":"a","label":"x","annotator":true}', "bad_fields"),
        ('{"id":"a","label":"x","labelled_at":true}', "bad_fields"),
        ('{"id":"a","label":"x","version":""}', "bad_fields"),
        ('{"id":"a","label":"x","version":7}', "bad_fields"),
        ('{"id":"","label":"x"}', "bad_fields"),
        (f'{{"id":"{"i" * (MAX_ID_CHARACTERS + 1)}","label":"x"}}', "bad_fields"),
        ('{"id":"a"}', "no_label"),
        ('{"id":"a","label":null}', "no_label"),
        ('{"id":"a","label":null,"skipped":false}', "no_label"),
        ('{"id":"a","label":["x"]}', "bad_fields"),
        ('{"id":"a","label":{"x":1}}', "bad_fields"),
        (f'{{"id":"a","label":"{"l" * (MAX_LABEL_CHARACTERS + 1)}"}}', "label_too_long"),
        ('{"id":"a","label":"x","skipped":1}', "bad_fields"),
        ('{"id":"a","label":"x","features":[1]}', "bad_fields"),
        ("[]", "bad_fields"),
        ('"a"', "bad_fields"),
        ("null", "bad_fields"),
    ],
)
def test_a_label_that_cannot_be_used_says_why(value: str, expected: str) -> None:
    assert reason(Label, value.encode()) == expected


def test_ids_and_labels_of_the_longest_kind_are_taken() -> None:
    longest = Label("i" * MAX_ID_CHARACTERS, "l" * MAX_LABEL_CHARACTERS)
    assert decode(Label, encode(longest), max_bytes=LIMIT) == longest


def test_only_a_skip_may_be_without_a_label() -> None:
    assert decode(Label, b'{"id":"a","skipped":true}', max_bytes=LIMIT) == Label("a", skipped=True)
    assert decode(Label, b'{"id":"a","label":0,"skipped":true}', max_bytes=LIMIT).label == 0
    for value in (b'{"id":"a"}', b'{"id":"a","skipped":true}', b'{"id":"a","label":null}'):
        assert reason(Example, value) in {"bad_fields", "no_label"}


@pytest.mark.parametrize("label", [False, 0, 0.0])
def test_false_and_zero_are_labels(label: bool | float | str) -> None:
    found = decode(Label, encode(Label("a", label)), max_bytes=LIMIT).label
    assert (found, type(found)) == (label, type(label))


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\ud800x", "\\udfff\\ud800"])
@pytest.mark.parametrize("where", ["id", "label", "annotator", "features"])
def test_half_a_surrogate_pair_is_refused(escape: str, where: str) -> None:
    """UTF-8 cannot encode it, so a message with it could not be written."""
    members = {"id": '"a"', "label": '"x"', "annotator": '"k"', "features": '{"f":"v"}'}
    members[where] = f'{{"{escape}":"{escape}"}}' if where == "features" else f'"{escape}"'
    value = "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"
    assert reason(Label, value.encode()) == "not_json"
    with pytest.raises(BadMessage):
        decode_json(value.encode(), max_bytes=LIMIT)


def test_any_other_character_passes_through_and_can_be_drawn_from() -> None:
    message = Label("\x00\n\u2028\U0001f600\uffff", "\x7f\u202e")
    assert decode(Label, encode(message), max_bytes=LIMIT) == message
    assert 0.0 <= uniform(0, "position", message.id) < 1.0


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("spam", "spam"),
        ("", ""),
        ('a "b"', 'a "b"'),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (-1.5, "-1.5"),
        (2.0, "2.0"),
    ],
)
def test_a_label_as_text_is_itself_or_its_json(label: bool | float | str, text: str) -> None:
    assert label_text(label) == text


def test_a_prediction_record_is_written_whole() -> None:
    stamp = ModelStamp("m", "v", 0)
    record = PredictionRecord("a", None, {}, 1.0, 0.0, 0.1, queried=False, reason="below", model=stamp)
    assert json.loads(encode(record)) == {
        "id": "a",
        "label": None,
        "probabilities": {},
        "utility": 1.0,
        "threshold": 0.0,
        "propensity": 0.1,
        "queried": False,
        "reason": "below",
        "model": {"name": "m", "version": "v", "examples": 0},
        "pending": 0,
    }


# --- Timestamps ------------------------------------------------------------------------------------------


@law
@given(moment=st.datetimes(timezones=st.just(UTC)))
def test_a_timestamp_is_exact_to_the_millisecond(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    text = iso(since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000)
    assert datetime.fromisoformat(text) == moment
    assert text.endswith("Z")
    assert len(text) == len("1970-01-01T00:00:00.000Z")


@pytest.mark.parametrize("absurd", [-(10**15), 253_402_300_800_000, 2**63, -(2**63), 10**400])
def test_an_absurd_timestamp_is_the_epoch(absurd: int) -> None:
    """A producer may give its records any timestamp."""
    assert iso(absurd) == "1970-01-01T00:00:00.000Z"


def values_of(each: bytes, number: int) -> bytes:
    return b'{"features":{"x":[' + b",".join([each] * number) + b"]}}"


@every_kind
@pytest.mark.parametrize("each", [b"{}", b"[]", b'{"a":[1]}', b"[[[]]]"])
def test_more_objects_than_allowed_are_refused_before_they_are_parsed(kind: Any, each: bytes) -> None:
    few, many = values_of(each, 10), values_of(each, MAX_OBJECTS)
    assert reason(kind, few) == "bad_fields"
    assert reason(kind, many) == "too_many_objects"
    assert reason(kind, many[:-1]) == "too_many_objects", "what is not JSON is not parsed either"


@pytest.mark.parametrize("text", ["{" * 60_000, '[{"' * 30_000, "\\[" * 60_000, '"' * 9 + "[" * 60_000])
def test_braces_within_a_text_are_no_objects(text: str) -> None:
    assert decode_json(json.dumps({"x": [text]}).encode(), max_bytes=LIMIT) == {"x": [text]}


@pytest.mark.parametrize("value", [b'"' + b'\\"' * 60_000 + b"[" * 60_000, b'["' + b"[" * 60_000 + b"\\"])
def test_a_text_without_an_end_is_no_json(value: bytes) -> None:
    with pytest.raises(BadMessage, match="not JSON"):
        decode_json(value, max_bytes=LIMIT)


def test_no_text_of_a_message_is_without_a_bound() -> None:
    """Names, reasons, times and classes are kept by annotator, by class or by label."""
    for kind in (*KINDS, RuntimeSettings, RuntimeModel, ByHand, Lease):
        assert list(unbounded(msgspec.inspect.type_info(kind), kind.__name__)) == []


BOUNDED_ELSEWHERE = ("Label.label", "Example.label")  # without the blanks around it: `label_too_long`


def unbounded(found: Any, place: str) -> Iterator[str]:
    """The places of texts without a largest length; features and payloads are bounded by the record alone."""
    match found:
        case msgspec.inspect.StrType() if found.max_length is None:
            yield place
        case msgspec.inspect.UnionType():
            for one in found.types:
                yield from unbounded(one, place)
        case msgspec.inspect.ListType():
            yield from unbounded(found.item_type, f"{place}[]")
        case msgspec.inspect.DictType():
            yield from unbounded(found.key_type, f"{place} names")
            yield from unbounded(found.value_type, f"{place}[]")
        case msgspec.inspect.StructType():
            for member in found.fields:
                whole = f"{place}.{member.name}"
                if member.name not in ("features", "payload") and whole not in BOUNDED_ELSEWHERE:
                    yield from unbounded(member.type, whole)


@pytest.mark.parametrize("member", ["sampled_at", "queried_at", "expires_at"])
@pytest.mark.parametrize("time", ["soon", "2026-01-01T00:00:00", ""])
def test_every_time_of_a_query_is_a_moment(member: str, time: str) -> None:
    assert reason(Query, encode({**query("a"), member: time})) == "bad_time"
