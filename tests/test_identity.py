"""The laws of identity: an id names one sample, and a number means the same wherever it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.samples.sample import InputRules, read_sample
from stream_al.errors import BadMessage
from stream_al.identity import (
    MAX_ID_CHARACTERS,
    distinct_id,
    id_text,
    key_of,
    key_text,
    own_id,
    version_of,
)
from stream_al.messages import Example, Label, decode, decode_json

law = settings(derandomize=True, deadline=None)
values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=3)
)
values |= st.floats(allow_nan=False, allow_infinity=False)
features = st.dictionaries(st.text(max_size=3), values, max_size=4)


@law
@given(st.lists(st.tuples(st.sampled_from(["a", "a#b", "i" * MAX_ID_CHARACTERS]), features), max_size=20))
def test_no_two_samples_have_one_id_and_a_repetition_has_the_same(arrivals: list[Any]) -> None:
    check_ids(arrivals)


def check_ids(arrivals: list[Any]) -> None:
    names: dict[str, str] = {}
    shown: dict[tuple[str, str], str] = {}
    for sample_id, sample in arrivals:
        version = version_of(sample)
        own = own_id(sample_id, version, names.get)
        assert names.setdefault(own, version) == version
        assert own_id(sample_id, version, names.get) == own
        assert shown.setdefault((sample_id, version), own) == own
        assert len(own) <= MAX_ID_CHARACTERS


few = st.integers(0, 3).map(lambda number: {"x": number})
names_of_others = st.recursive(
    st.sampled_from(["a", "i" * MAX_ID_CHARACTERS]),
    lambda inner: st.builds(lambda name, sample: distinct_id(name, version_of(sample)), inner, few),
    max_leaves=3,
)


@law
@given(st.lists(st.tuples(names_of_others, few), max_size=12))
def test_nobody_can_occupy_the_id_that_another_sample_is_to_get(arrivals: list[Any]) -> None:
    check_ids(arrivals)


@law
@given(features)
def test_a_version_outlives_json_and_the_order_of_the_features(sample: dict[str, Any]) -> None:
    again = decode_json(json.dumps(sample, ensure_ascii=True).encode("utf-8", "replace"), max_bytes=10_000)
    assert version_of(again) == version_of(dict(reversed(sample.items()))) == version_of(sample)


@law
@given(features, features)
def test_other_features_are_another_version(one: dict[str, Any], other: dict[str, Any]) -> None:
    def plain(sample: dict[str, Any]) -> dict[str, Any]:
        return {name: (isinstance(value, bool), value) for name, value in sample.items()}

    assert (version_of(one) == version_of(other)) == (plain(one) == plain(other))


@law
@given(
    st.sets(
        st.binary(max_size=12) | st.text(max_size=8).map(lambda text: f"base64:{text}".encode()), max_size=9
    )
)
def test_every_key_has_an_id_of_its_own_that_can_be_turned_back(keys: set[bytes]) -> None:
    texts = {key_text(key) for key in keys}
    assert len(texts) == len(keys)
    assert {key_of(text) for text in texts} == keys
    assert not any(character < " " or "\x7f" <= character < "\xa0" for text in texts for character in text)


WRITTEN = ["7", "7.0", "7e0", "70e-1", '"7"']


@pytest.mark.parametrize("written", WRITTEN)
def test_an_id_means_the_same_in_a_sample_a_label_and_an_example(written: str) -> None:
    given = f'{{"id": {written}, "label": "x", "features": {{"x": 1}}, "annotator": {written}}}'.encode()
    sample = read_sample(decode_json(given, max_bytes=1000), InputRules(), key=None, position="p")
    label, example = decode(Label, given, max_bytes=1000), decode(Example, given, max_bytes=1000)
    assert sample.id == label.id == example.id == label.annotator == example.annotator == "7"


@law
@given(values)
def test_samples_and_labels_take_the_same_ids(value: object) -> None:
    given = json.dumps({"id": value, "label": "x", "features": {"x": 1}}).encode()

    def read(take: Any) -> str | None:
        try:
            found: str = take().id
        except BadMessage:
            return None
        return found

    label = read(lambda: decode(Label, given, max_bytes=1000))
    rules = InputRules()
    sample = read(lambda: read_sample(decode_json(given, max_bytes=1000), rules, key=None, position=""))
    assert label == id_text(value)
    assert sample == (id_text(value) if value is not None else "")


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("1700000000", "2023-11-14T22:13:20.000Z"),
        ("1700000000.5", "2023-11-14T22:13:20.500Z"),
        ("1700000000000", "2023-11-14T22:13:20.000Z"),
        ('"yesterday"', "yesterday"),
    ],
)
def test_a_time_that_is_a_number_is_seconds_or_milliseconds_since_1970(written: str, time: str) -> None:
    given = f'{{"id": "a", "label": "x", "labelled_at": {written}}}'.encode()
    assert decode(Label, given, max_bytes=1000).labelled_at == time
    assert decode(Example, given, max_bytes=1000).labelled_at == time
