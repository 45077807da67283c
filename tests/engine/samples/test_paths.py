"""The laws of paths into records, and of the labelled sample at them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.samples.labelled import Places, read_labelled
from stream_al.engine.samples.paths import named, nothing_at, value_at
from stream_al.engine.samples.sample import InputRules, read_sample
from stream_al.errors import BadMessage

names = st.sampled_from(["a", "b", "0", "b c"])
values = st.recursive(
    st.integers(0, 9) | st.text("xy", max_size=2),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
records = st.dictionaries(names, values, min_size=1, max_size=4)


@given(record=records)
@settings(derandomize=True, deadline=None)
def test_every_value_of_a_record_is_found_by_its_path(record: dict[str, Any]) -> None:
    """It is the one that has this name among the features."""
    flat = read_sample(record, InputRules(id="position"), key=None, position="p").features
    paths = named(record)
    assert set(paths) == set(flat)
    assert {path: value_at(record, path) for path in paths} == flat


@pytest.mark.parametrize(
    "path", ["c", "a.c", "a.b.c", "l.2", "l.x", "l.-1", "", ".", "a.", "l.²", "l." + "9" * 99]
)
def test_a_path_to_nothing_gives_none(path: str) -> None:
    assert value_at({"a": {"b": 1}, "l": [1, 2]}, path) is None


def test_a_member_whose_own_name_has_dots_takes_precedence() -> None:
    assert value_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert value_at({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c") == 1
    assert value_at({"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, "a.b.c") == 1


def test_a_path_to_nothing_is_told_with_the_names_that_are_like_it() -> None:
    there = ["id", "transaction.created_at", "transaction.amount"]
    assert nothing_at("created_at", there).endswith("did you mean 'transaction.created_at'?")
    assert nothing_at("transaction.amuont", there).endswith("did you mean 'transaction.amount'?")
    assert nothing_at("zzz", [f"c{n}" for n in range(30)]).endswith("c19 and 10 more")


@pytest.mark.parametrize("label", [None, float("nan"), "", "  "])
def test_a_record_without_a_label_has_none(label: object) -> None:
    found = read_labelled({"x": 1, "kind": label}, InputRules(), Places("kind"), key=None, position="p")
    assert found.label is None


def test_the_label_and_its_time_are_no_features_wherever_they_lie() -> None:
    """In the record, and in the object that holds the features."""
    record = {"id": "a", "features": {"x": 1, "kind": "up", "seen": 5}}
    for rules, path in ((InputRules(), "features"), (InputRules(features="features"), "features")):
        places = Places(f"{path}.kind", None, f"{path}.seen")
        found = read_labelled(record, rules, places, key=None, position="p")
        assert (found.sample.features, found.label, found.label_time) == ({"x": 1}, "up", 5)
    places = Places("truth")
    found = read_labelled({"x": 1, "truth": "up"}, InputRules(), places, key=None, position="p")
    assert found.sample.features == {"x": 1}


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(BadMessage) as caught:
        read_labelled({"x": 1, "label": {"a": 1}}, InputRules(), Places(), key=None, position="p")
    assert caught.value.reason == "bad_label"


def test_an_example_is_read_in_its_own_form_whatever_the_rules_say() -> None:
    record = {"id": "a", "features": {"x": 1, "label": 2}, "label": "up", "annotator": "ann"}
    rules = InputRules(id="key", features="transaction", exclude=("y",))
    found = read_labelled(record, rules, Places(examples=True), key=None, position="p")
    assert (found.sample.id, found.sample.features) == ("a", {"x": 1, "label": 2})
    assert (found.label, found.annotator) == ("up", "ann")
    for other in ({**record, "more": 1}, {"features": {"x": 1}, "label": "up"}):
        with pytest.raises(BadMessage):
            read_labelled(other, rules, Places(examples=True), key=None, position="p")
