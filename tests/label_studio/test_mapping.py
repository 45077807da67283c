"""The rules of the bridge to Label Studio that need no server: classes, configuration, tasks, annotations."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.errors import BadMessage, Misconfigured, Unavailable
from stream_al.label_studio import configuration
from stream_al.label_studio.annotations import Annotation, Page, Task, decoded, guess_of, label_of, query_key
from stream_al.label_studio.classes import choice_of, class_of
from stream_al.label_studio.tasks import NO_AUDIO, NO_IMAGE, media, task_of
from stream_al.messages import Query, decode
from tests.support.stream import query as made_query

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(min_size=1, max_size=40).map(str.strip).filter(bool)
AWKWARD = st.sampled_from(
    ["1", "true", "null", "1.0", '"1"', "$text", "<b>", "a\0b", "a\nb", "]]>", "&amp;", "a  b", "\ufffe"]
)
CLASSES = st.booleans() | NUMBERS | TEXTS | AWKWARD
SHOWN = configuration.created(["up", "down", 1], [], open_classes=True)


def query(**more: Any) -> Query:
    return decode(Query, msgspec.json.encode(made_query("s1") | more), max_bytes=10**6)


def annotation(*parts: tuple[str, str, list[str]], **more: Any) -> Annotation:
    result = [{"from_name": name, "type": kind, "value": {kind: texts}} for name, kind, texts in parts]
    when = "2026-11-28T18:58:12.675814Z"
    return Annotation(5, when, when, result, **{"completed_by": 7, **more})


# --- classes ------------------------------------------------------------
@given(CLASSES)
def test_a_class_comes_back_from_its_choice_with_its_type(label: Any) -> None:
    found = class_of(choice_of(label))
    assert (type(found), found) == (type(label), label)


@given(CLASSES, CLASSES)
def test_two_classes_never_share_a_choice(one: Any, other: Any) -> None:
    same = (type(one), repr(one)) == (type(other), repr(other))
    assert (choice_of(one) == choice_of(other)) == same


@given(st.text(max_size=60))
def test_what_an_annotator_types_never_fails(text: str) -> None:
    """Any text is a class or none."""
    label = class_of(text)
    assert label is None or class_of(choice_of(label)) == label


# --- configuration ------------------------------------------------------------
@given(st.lists(CLASSES, max_size=8), st.sets(st.sampled_from(["image", "audio"])), st.booleans())
def test_no_class_becomes_markup(classes: list[Any], shown: set[str], open_classes: bool) -> None:
    """A parser finds exactly the tags that were meant, and every class as the value of a choice."""
    made = configuration.created(classes, shown, open_classes=open_classes)
    tags = [element.tag for element in ET.fromstring(made.xml).iter()]  # noqa: S314 - made here
    listed = {choice_of(label) for label in classes}
    assert set(tags) <= {"View", "Text", "Choices", "Choice", "TextArea", "Table", "Image", "Audio"}
    assert tags.count("Choice") == len(listed)
    assert configuration.read(made.xml) == made
    assert made.choices == listed
    assert made.media == shown


def test_a_project_is_never_without_a_way_to_label() -> None:
    """With no class known yet, annotators type the class, whatever the settings say."""
    for open_classes in (True, False):
        assert "TextArea" in configuration.created([], [], open_classes=open_classes).xml
    grown = configuration.extended(configuration.created([], [], open_classes=True), ["up"], [])
    assert grown.choices == {"up"}


def test_the_configuration_of_a_person_keeps_all_that_is_in_it() -> None:
    """Only choices are added to it; media are not."""
    own = '<View><Header value="Hi"/><Image name="i" value="$x"/><Choices name="label" toName="i"><Choice value="a" hotkey="q"/></Choices></View>'  # noqa: E501
    grown = configuration.extended(configuration.read(own), ["a", "b"], ["audio"])
    assert grown.choices == {"a", "b"}
    assert grown.shows == "i"
    assert 'hotkey="q"' in grown.xml
    assert "Header" in grown.xml
    assert "Audio" not in grown.xml
    assert configuration.extended(grown, ["b"], ["audio"]) is grown


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ('<View><Choices name="other" toName="t"/></View>', 'no <Choices name="label"'),
        ("<View", "no XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><View>&a;</View>', "without a DOCTYPE"),
        ("<View>" + " " * 1_000_001 + "</View>", "up to 1000000 characters"),
    ],
)
def test_a_configuration_that_cannot_work_is_named(xml: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=r"label_studio\.project") as raised:
        configuration.read(xml)
    assert said in str(raised.value)


# --- tasks ------------------------------------------------------------
def test_a_task_says_which_query_it_is() -> None:
    asked = query(version="v1")
    data = task_of(asked, "app", SHOWN, predictions=True)["data"]
    assert query_key(Task(1, "", data), "app") == ("s1", "v1")
    assert query_key(Task(1, "", data), "another") is None
    assert query_key(Task(1, "", {"text": "of somebody else"}), "app") is None


PREDICTED = {"label": "up", "probabilities": {"up": 0.75, "down": 0.25}}


def test_a_prediction_has_its_score_and_the_version_of_the_model() -> None:
    task = task_of(query(prediction=PREDICTED), "app", SHOWN, predictions=True)
    (found,) = task["predictions"]
    assert guess_of(Task(1, "", task["data"])) is True
    assert found["score"] == 0.75
    assert "000000000000" in found["model_version"]
    assert found["result"][0]["value"] == {"choices": ["up"]}
    typed = {"label": 1, "probabilities": {"1": 0.9}}
    (found,) = task_of(query(prediction=typed), "app", SHOWN, predictions=True)["predictions"]
    assert (found["score"], found["result"][0]["value"]) == (0.9, {"choices": ["1"]})


@pytest.mark.parametrize(
    ("more", "predictions"),
    [
        ({"reason": "explore"}, True),  # its label measures the model
        ({"second_of": "s0"}, True),  # its label judges another one
        ({}, False),
        ({"prediction": {"label": "new", "probabilities": {}}}, True),  # Label Studio would refuse it
    ],
)
def test_a_task_carries_no_prediction_that_it_must_not(more: dict[str, Any], predictions: bool) -> None:
    asked = query(**({"prediction": PREDICTED} | more))
    task = task_of(asked, "app", SHOWN, predictions=predictions)
    assert "predictions" not in task
    assert guess_of(Task(1, "", task["data"])) is False


@pytest.mark.parametrize(
    ("payload", "kinds", "text"),
    [
        (None, set(), ""),
        ("read this", set(), "read this"),
        ({"a": "one", "b": ["two"]}, set(), "a: one\nb.0: two"),
        ({"x": "https://a.example/i.PNG?size=2", "n": 5}, {"image"}, ""),
        ({"x": "data:audio/wav;base64,AA", "y": "hear this"}, {"audio"}, "hear this"),
        ({"x": "javascript:alert(1).png"}, set(), "javascript:alert(1).png"),
        ({"x": "/data/local-files/?d=etc/passwd.png"}, set(), "/data/local-files/?d=etc/passwd.png"),
        ({"x": "s3://bucket/i.png"}, set(), "s3://bucket/i.png"),
    ],
)
def test_only_addresses_of_the_web_and_data_become_media(payload: Any, kinds: set[str], text: str) -> None:
    """A payload is a stranger's: it must not name files of the server or run code."""
    asked = query(payload=payload)
    data = task_of(asked, "app", SHOWN, predictions=False)["data"]
    assert media(asked) == kinds
    assert data["text"] == text
    assert (data["image"] == NO_IMAGE) == ("image" not in kinds)
    assert (data["audio"] == NO_AUDIO) == ("audio" not in kinds)


def test_a_task_is_bounded_and_holds_no_nul_whatever_the_payload() -> None:
    """PostgreSQL keeps no NUL in JSON, and a page with a million rows helps nobody."""
    deep: Any = "x"
    for _ in range(60):
        deep = {"d": deep}
    payload = {"nul": "a\0b", "long": "y" * 200_000, "deep": deep, "wide": {str(n): n for n in range(5000)}}
    task = task_of(query(payload=payload), "app", SHOWN, predictions=False)
    assert b"\\u0000" not in msgspec.json.encode(task)
    assert len(task["data"]["features"]) <= 200
    assert len(task["data"]["text"]) <= 100_000
    with pytest.raises(BadMessage, match="NUL"):
        task_of(query(id="a\0b"), "app", SHOWN, predictions=False)


# --- annotations ------------------------------------------------------------
def test_a_task_for_a_second_label_says_so() -> None:
    """So a project can give it to somebody else."""
    data = task_of(query(id="s1~2", second_of="s1"), "app", SHOWN, predictions=True)["data"]
    assert (data["stream_al_id"], data["stream_al_second_of"]) == ("s1~2", "s1")
    assert task_of(query(), "app", SHOWN, predictions=True)["data"]["stream_al_second_of"] == ""


def test_an_annotation_becomes_a_label_with_everything_that_is_known() -> None:
    label = label_of(("s1", "v1"), annotation(("label", "choices", ['"1"'])))
    assert (label.id, label.version, label.label, label.skipped) == ("s1", "v1", "1", False)
    assert (label.annotator, label.labelled_at) == ("label-studio:7", "2026-11-28T18:58:12.675814Z")


@pytest.mark.parametrize(
    ("data", "shown"),
    [({"stream_al_predicted": True}, True), ({}, None), ({"stream_al_predicted": "x"}, None)],
)
def test_a_label_says_whether_its_task_came_with_a_prediction(
    data: dict[str, Any], shown: bool | None
) -> None:
    """Tasks of a former version do not say it."""
    given = annotation(("label", "choices", ["up"]))
    assert label_of(("s1", "v1"), given, guess_of(Task(1, "", data))).guess_shown is shown


def test_a_cancelled_annotation_is_a_skip_whatever_was_chosen() -> None:
    label = label_of(("s1", "v1"), annotation(("label", "choices", ["up"]), was_cancelled=True))
    assert (label.skipped, label.label) == (True, None)


def test_what_is_chosen_counts_before_what_is_typed() -> None:
    typed = ("other_class", "text", [" new "])
    assert label_of(("s", "v"), annotation(typed)).label == "new"
    assert label_of(("s", "v"), annotation(typed, ("label", "choices", ["up"]))).label == "up"


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "no_class"),
        ([("label", "choices", [])], "no_class"),
        ([("region", "choices", ["up"])], "no_class"),
        ([("other_class", "text", ["x" * 600])], "no_class"),
        ([("label", "choices", ["up", "down"])], "several_classes"),
    ],
)
def test_an_annotation_that_means_no_class_is_no_label(parts: list[Any], reason: str) -> None:
    with pytest.raises(BadMessage) as raised:
        label_of(("s", "v"), annotation(*parts))
    assert raised.value.reason == reason


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"tasks": [{"id": "x"}]}', b"[" * 10**5, b"\xff"])
def test_a_response_of_another_form_is_never_taken_for_an_empty_page(body: bytes) -> None:
    """Else a proxy's page of errors would look as if all tasks were gone."""
    with pytest.raises(Unavailable, match=r"label_studio\.url"):
        decoded(Page, body)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", [".png?", ".wav#"])
def test_a_payload_of_any_text_is_read_once(end: str) -> None:
    """A pattern that reads the rest of an address from each end of a path in it would take an hour here."""
    text = "http://" + end * 150_000 + " "
    assert media(query(payload={"x": text})) == set()
    assert media(query(payload={"x": text.rstrip()})) == {"image" if end == ".png?" else "audio"}
