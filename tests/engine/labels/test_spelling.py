"""Which labels name one class."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.spelling import AllowedClasses, likeness, lookalikes, shown
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example, Label, class_names, decode, encode

law = settings(derandomize=True, deadline=None, max_examples=300)
texts = st.text(max_size=12) | st.sampled_from(
    ["1", "1.0", "TRUE", "false", "1e3", "٣", "nan", "inf", "ß", "SS"]
)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
any_label = texts | numbers
ALIKE: list[list[ClassLabel]] = [
    [1, 1.0, True, "1", "1.0", "+1", "TRUE", " true ", "1e0"],
    [0, False, "0", "0.0", "false", "-0"],
    ["fraud", "Fraud", "FRAUD", " fraud\t"],
    ["no fraud", "No  Fraud", "no\tfraud"],
    [0.5, ".5", "0.50", "5e-1"],
    [1000, "1e3", "1000.0"],
    ["strasse", "STRASSE", "straße"],
]


@pytest.mark.parametrize("group", ALIKE, ids=lambda group: str(group[0]))
def test_labels_that_differ_in_type_case_or_blanks_alone_look_alike(group: list[ClassLabel]) -> None:
    assert len({likeness(label) for label in group}) == 1


def test_no_two_of_these_groups_look_alike() -> None:
    assert len({likeness(group[0]) for group in ALIKE}) == len(ALIKE)


@law
@given(label=any_label)
def test_equal_labels_look_alike_and_a_label_looks_like_its_own_text(label: ClassLabel) -> None:
    assert likeness(label) == likeness(shown(label) if not isinstance(label, str) else f" {label} ")
    if isinstance(label, int | float) and float(label) == label:
        assert likeness(label) == likeness(float(label)) or abs(label) >= 2**53


@law
@given(listed=st.lists(any_label, min_size=2, max_size=6), label=any_label)
def test_a_label_names_a_listed_class_that_it_looks_like_or_is_refused(
    listed: list[ClassLabel], label: ClassLabel
) -> None:
    listed = list(dict.fromkeys(listed))
    allowed = AllowedClasses(listed)
    for one in listed:
        assert allowed.named_by(one) is one or allowed.named_by(one) == one
    try:
        named = allowed.named_by(label)
    except BadMessage as error:
        assert error.reason == "unknown_class"  # noqa: PT017 -- a refusal is a valid result
        assert label not in listed
        assert [likeness(one) for one in listed].count(likeness(label)) != 1
    else:
        assert any(named is one for one in listed)
        assert likeness(named) == likeness(label)


def test_without_a_list_every_label_names_itself() -> None:
    assert [AllowedClasses().named_by(label) for label in (1, "1", " x")] == [1, "1", " x"]


@pytest.mark.parametrize(
    ("listed", "label", "said"),
    [
        ([0, 1], "unsure", 'the label "unsure" names no class: labels.classes lists 0, 1; send one of them'),
        (["a", "A"], " a", None),
        ([1, "1"], "1.0", 'may be 1 or "1"'),
        (list(range(50)), 99, "lists 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...;"),
        (["x" * 500, "y"], "z" * 500, "..."),
    ],
)
def test_a_refusal_shows_what_is_listed_and_is_short(
    listed: list[ClassLabel], label: ClassLabel, said: str | None
) -> None:
    with pytest.raises(BadMessage) as raised:
        AllowedClasses(listed).named_by(label)
    assert (said or 'may be "a" or "A"') in str(raised.value)
    assert len(str(raised.value)) < 300


def test_lookalikes_are_found_among_many_classes() -> None:
    assert lookalikes(["b", *range(900), "a", "B", "17"]) == [["b", "B"], [17, "17"]]


@law
@given(classes=st.lists(any_label.filter(lambda one: not str(one).startswith('"')), max_size=8))
def test_no_two_classes_have_one_name_in_a_message(classes: list[ClassLabel]) -> None:
    classes = list(dict.fromkeys(classes))
    names = class_names(*classes)
    assert len(set(names)) == len(classes)


@pytest.mark.parametrize("kind", [Label, Example])
@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0\u2003"])
def test_a_blank_label_is_no_label(kind: Any, blank: str) -> None:
    value = encode({"id": "a", "label": blank, "features": {"x": 1}})
    with pytest.raises(BadMessage, match="null or blank") as raised:
        decode(kind, value, max_bytes=1000)
    assert raised.value.reason == "no_label"


@pytest.mark.parametrize("kind", [Label, Example])
def test_blanks_around_a_label_are_dropped(kind: Any) -> None:
    labels = [
        decode(kind, encode({"id": "a", "label": label, "features": {"x": 1}}), max_bytes=1000).label
        for label in ("fraud", " fraud", "fraud\n", "\u00a0fraud ")
    ]
    assert all(one == other for one, other in pairwise(labels))


def test_a_skip_may_have_a_blank_label() -> None:
    assert decode(Label, b'{"id": "a", "label": "", "skipped": true}', max_bytes=1000).skipped
