"""The labelling configuration of a project: what a task shows, and which classes there are.

A project that the bridge creates gets a configuration made from the classes and from what the payloads hold:

    Image, Audio   if a payload holds one (`tasks.media`)
    Text           the text of the payload
    Table          all features, and the rest of the payload
    Choices        one choice for each class, with a number key by Label Studio itself
    TextArea       for a class that is not listed, unless the settings name all classes

A project that exists already keeps its own configuration. It needs `Choices` with the name `label`. Choices
are added for classes that come later, and nothing else is changed. Only in a configuration that the bridge
has made, image and audio are added, too, when the first payload holds one.

The text is built as a tree and written by an XML writer, so nothing in a class can become markup.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from stream_al.errors import Misconfigured
from stream_al.label_studio.classes import choice_of
from stream_al.messages import ClassLabel

__all__ = ["LABEL", "OTHER", "Configuration", "created", "extended", "is_empty", "read"]

LABEL = "label"
"""The name of the `Choices`, and so the `from_name` of what an annotator chose."""
OTHER = "other_class"
"""The name of the `TextArea` for a class that is not listed."""

MOST_CLASSES = 1000
"""More choices than that cannot be labelled by a person; classes beyond it are typed."""
MAX_CHARACTERS = 1_000_000
_MADE_HERE = "stream_al"
_MEDIA = {"image": ("Image", "$image"), "audio": ("Audio", "$audio")}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the bridge has to know about the configuration of a project.

    Attributes:
        xml: The configuration itself.
        choices: The choices that it lists.
        shows: The name of the object that the choices are about.
        names: The kinds of media that it shows.
        made_here: Whether the bridge has made it.
    """

    xml: str
    choices: frozenset[str]
    shows: str
    media: frozenset[str]
    made_here: bool


def created(classes: Iterable[ClassLabel], media: Collection[str], *, open_classes: bool) -> Configuration:
    """The configuration of a new project.

    Args:
        classes: The classes that are known.
        media: Of `image` and `audio`, what the payloads hold.
        open_classes: Whether an annotator may name a class that is not listed.

    >>> made = created(["fine", "<b>"], ["image"], open_classes=False)
    >>> '<Choice value="&lt;b&gt;" />' in made.xml, sorted(made.choices), sorted(made.media)
    (True, ['<b>', 'fine'], ['image'])
    """
    root = ET.Element("View", className=_MADE_HERE)
    ET.SubElement(root, "Text", name="text", value="$text")
    choices = ET.SubElement(root, "Choices", name=LABEL, toName="text", choice="single", showInline="true")
    for choice in _listed(classes):
        ET.SubElement(choices, "Choice", value=choice)
    if not len(choices):
        root.remove(choices)  # Label Studio shows no choices without one
    if open_classes or not len(choices):
        ET.SubElement(
            root,
            "TextArea",
            name=OTHER,
            toName="text",
            maxSubmissions="1",
            rows="1",
            placeholder="Another class",
        )
    ET.SubElement(root, "Table", name="features", value="$features")
    _add_media(root, media)
    return _described(root)


def read(xml: str) -> Configuration:
    """The configuration of a project that exists.

    Raises:
        Misconfigured: It is no configuration that the bridge can work with.
    """
    root = _parsed(xml)
    found = _described(root, xml)
    if not found.shows:
        raise Misconfigured(
            f'label_studio.project: its labelling configuration has no <Choices name="{LABEL}" toName=...>: '
            "add it, or name a project that does not exist, and it is created"
        )
    return found


def is_empty(xml: str) -> bool:
    """Whether a configuration is that of a new project: nothing is shown and nothing can be labelled."""
    return not xml.strip() or not len(_parsed(xml))


def extended(known: Configuration, classes: Iterable[ClassLabel], media: Collection[str]) -> Configuration:
    """The configuration with the classes and media that it does not have; the same one if there are none.

    >>> before = created(["a"], [], open_classes=True)
    >>> after = extended(before, ["a", "b"], [])
    >>> sorted(after.choices), extended(after, ["b"], []) is after
    (['a', 'b'], True)
    """
    new = [choice for choice in _listed(classes) if choice not in known.choices]
    new = new[: max(0, MOST_CLASSES - len(known.choices))]
    new_media = set(media) - known.media if known.made_here else set()
    if not new and not new_media:
        return known
    root = _parsed(known.xml)
    choices = _choices(root)
    if new and choices is None:
        choices = ET.Element("Choices", name=LABEL, toName="text", choice="single", showInline="true")
        root.insert(1, choices)
    for choice in new:
        assert choices is not None  # noqa: S101 - made above  # pragma: no cover
        ET.SubElement(choices, "Choice", value=choice)
    _add_media(root, new_media)
    return _described(root)


def _listed(classes: Iterable[ClassLabel]) -> list[str]:
    return list(dict.fromkeys(choice_of(label) for label in classes))[:MOST_CLASSES]


def _add_media(root: ET.Element, media: Collection[str]) -> None:
    for name in sorted(media):
        tag, value = _MEDIA[name]
        root.insert(0, ET.Element(tag, name=name, value=value))


def _choices(root: ET.Element) -> ET.Element | None:
    return next((found for found in root.iter("Choices") if found.get("name") == LABEL), None)


def _described(root: ET.Element, xml: str | None = None) -> Configuration:
    choices = _choices(root)
    other = next((found for found in root.iter("TextArea") if found.get("name") == OTHER), None)
    asked = choices if choices is not None else other
    listed = choices.iter("Choice") if choices is not None else ()
    made_here = root.get("className") == _MADE_HERE
    media = {name for name, (tag, _) in _MEDIA.items() if any(e.get("name") == name for e in root.iter(tag))}
    return Configuration(
        xml or ET.tostring(root, encoding="unicode"),
        frozenset(choice.get("value", "") for choice in listed),
        "" if asked is None else asked.get("toName", ""),
        frozenset(media),
        made_here,
    )


def _parsed(xml: str) -> ET.Element:
    wrong = "label_studio.project: its labelling configuration is no XML that can be read"
    if len(xml) > MAX_CHARACTERS or "<!DOCTYPE" in xml.upper():  # entities could grow without bound
        raise Misconfigured(f"{wrong}: write one of up to {MAX_CHARACTERS} characters without a DOCTYPE")
    try:
        return ET.fromstring(xml)  # noqa: S314 - it has no entities, since it has no DOCTYPE
    except ET.ParseError as error:
        raise Misconfigured(f"{wrong} ({error}): correct it in the settings of the project") from None
