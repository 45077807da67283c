"""The messages on the topics as types, and their form as bytes.

Messages are JSON. Unknown members are ignored. Timestamps are ISO 8601 in UTC.

*Everything read here may be hostile.* Nothing is evaluated, and anything wrong with a record becomes a
`BadMessage` whose reason serves as a metric label. Every record of every topic passes one door, `decode` or
`decode_json`, and behind it the following holds, so no reader has to check it again:

    bytes      the record has at most `max_bytes`; this is checked before it is parsed
    depth      nothing is nested deeper than `MAX_DEPTH`, so that code that recurses can walk it
    objects    there are at most `MAX_OBJECTS` objects and arrays; this too is checked before it is parsed,
               since a million bytes of `[[],[],...]` would hold the event loop for 0.4 s
    numbers    each is finite, and a whole number has no more digits than Python writes (4300)
    ids        1 to `MAX_ID_CHARACTERS` characters
    times      those of a query have a zone, so that they can be subtracted

Samples are not here, because each stream has its own form of them (see `engine.samples.sample`). The records
of the topic `control` are in `stream_al.replica_messages`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import msgspec

from stream_al.checks import check_depth, moment
from stream_al.errors import BadMessage
from stream_al.identity import MAX_ID_CHARACTERS, id_text
from stream_al.malformed import hint

__all__ = [
    "LARGEST_RECORD",
    "ClassLabel",
    "Example",
    "Label",
    "ModelStamp",
    "Prediction",
    "PredictionRecord",
    "Query",
    "class_names",
    "decode",
    "decode_json",
    "encode",
    "iso",
    "label_text",
    "life_of",
]

MAX_LABEL_CHARACTERS = 512
MAX_LABEL_BITS = 64
MAX_VERSION_CHARACTERS = 64
MAX_ANNOTATORS = 100  # of one sample
SECONDS_BELOW = 1e11  # as seconds the year 5138, as milliseconds 1973
MAX_DEPTH = 128  # more than `input.max_depth` may be, and far less than what Python can recurse
MAX_OBJECTS = 50_000  # two for each of the 10,000 records that a request may have, and more
MAX_OFFSET = 2**63 - 1

LARGEST_RECORD = 100 * 1024**2
"""The most bytes of a record that any setting allows."""

ClassLabel: TypeAlias = str | int | float | bool
"""The name of a class, as it stands in a label."""

if TYPE_CHECKING:  # what a message holds once it is read
    Id: TypeAlias = str
    Name: TypeAlias = str
    Time: TypeAlias = str
else:  # what may be written; the messages turn it into text when they are made
    Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)] | int | float
    Name = str | int | float
    Time = str | int | float
Offset = Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)]
Annotators = Annotated[list[str], msgspec.Meta(max_length=MAX_ANNOTATORS)]
TextId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
Version = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_VERSION_CHARACTERS)]
Comment = Annotated[str, msgspec.Meta(max_length=2000)]
SkipReason = Annotated[str, msgspec.Meta(max_length=200)]


class Prediction(msgspec.Struct, frozen=True):
    """The model's prediction for a sample.

    Attributes:
        label: The class that the objective of the model serves; None while the model knows no class.
        probabilities: Class to probability, the class as text.
    """

    label: ClassLabel | None
    probabilities: dict[str, float]


class ModelStamp(msgspec.Struct, frozen=True):
    """The model that made a prediction: its name, the fingerprint of its definition, the examples learned."""

    name: str
    version: str
    examples: int


class Query(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request for a label, published on the topic of queries under the sample's id.

    Attributes:
        id: The sample's id, or an id of its own if that one names another sample (`stream_al.identity`).
        version: The digest of the features. A label that brings it back is joined with no other
            query.
        sample_id: The sample's id, if `id` is another one.
        pending: The number of queries that had no label when this one was decided, as the replica knew it.
        propensity: The probability with which the sample was selected; None if a person asked for its label.
        second_of: The id of the query that was labelled first. This one asks another annotator about the same
            sample, who does not see the labels that are there. Its prediction and propensity are those of the
            first query.
        labelled_by: The annotators whose labels the sample has. Theirs are refused here.
        bought: The partition whose account paid for a second query, and which one of its second queries this
            is. So a repetition after a crash is recognised.
    """

    id: TextId
    features: dict[str, Any]
    prediction: Prediction
    utility: float
    threshold: float
    propensity: float | None
    reason: str
    strategy: str
    model: ModelStamp
    sampled_at: str
    queried_at: str
    expires_at: str
    payload: Any = None
    pending: int = 0
    version: str = ""
    sample_id: str | None = None
    second_of: TextId | None = None
    labelled_by: Annotators = []
    bought: tuple[Offset, Offset] | None = None


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an annotator gives for a sample: its class, or nothing.

    Attributes:
        id: The id of the query: text, or a whole number, which means the text of its digits.
        label: The class; required unless `skipped`.
        annotator: The name of the annotator: text, or a number as of an id.
        labelled_at: The time of the label by the annotator's clock: text, or seconds or milliseconds since
            1970. It is recorded and decides nothing.
        skipped: Whether the annotator saw the sample and gives no label.
        features: The sample's features, for a label without a query.
        via: The name of the HTTP token that brought it; the service writes it. None for a label that was not
            sent with a token.
        version: The `version` of the query. The label is joined with the query of that version or with none.
        guess_shown: Whether the annotator had seen the model's prediction; None if that is not known.
        comment: What the annotator says about the sample.
        flagged: Whether the annotator wants others to see the sample.
        skip_reason: Why there is no label. Reasons are counted.
    """

    id: Id
    label: ClassLabel | None = None
    annotator: Name | None = None
    labelled_at: Time | None = None
    skipped: bool = False
    features: dict[str, Any] | None = None
    via: str | None = None
    version: Version | None = None
    guess_shown: bool | None = None
    comment: Comment | None = None
    flagged: bool = False
    skip_reason: SkipReason | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a number that is no id, no name or no time."""
        _settle(self)


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model learns from: the features and the label of a sample.

    Attributes:
        features: None marks a label that contradicts an earlier one of the same id: it is recorded and not
            learned.
        propensity: The probability with which the sample was selected; None if the service did not select it.
        reason: Why the sample was selected, or `seed`, `unsolicited`, `correction` or `consensus`.
        prediction: The model's prediction when the query was made.
        model: The model that made it.
        via: The name of the HTTP token that brought the label; None if no token did.
        version: The digest of the sample's features, where the example does not hold them.
        corrects: Whether the label supersedes the one that counts for the sample. Then `annotator` and `via`
            say who decided, `reason` says how (`correction` or `consensus`), and there are no features.
        payload: What the annotator saw in addition to the features, kept where samples are asked about again.
        second_of: The id of the query that was labelled first. The example holds a further label of the same
            sample: it is recorded and not learned.
        labelled_by: The annotators who had labelled the sample before.
        guess_shown, comment, flagged: As of the label.
    """

    id: Id
    label: ClassLabel
    features: dict[str, Any] | None = None
    annotator: Name | None = None
    propensity: float | None = None
    reason: str | None = None
    prediction: Prediction | None = None
    queried_at: str | None = None
    labelled_at: Time | None = None
    model: ModelStamp | None = None
    via: str | None = None
    version: Version | None = None
    payload: Any = None
    second_of: TextId | None = None
    labelled_by: Annotators = []
    corrects: bool = False
    guess_shown: bool | None = None
    comment: Comment | None = None
    flagged: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for a number that is no id, no name or no time."""
        _settle(self)


class PredictionRecord(msgspec.Struct, frozen=True):
    """What was predicted and decided for one sample, selected or not. `pending` is as in its query."""

    id: str
    label: ClassLabel | None
    probabilities: dict[str, float]
    utility: float
    threshold: float
    propensity: float
    queried: bool
    reason: str
    model: ModelStamp
    pending: int = 0


M = TypeVar("M", bound=msgspec.Struct)

_ENCODER = msgspec.json.Encoder()
_ANY = msgspec.json.Decoder()
# A text may have no end, so that each quote is looked at once.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)


def encode(message: Any) -> bytes:
    """A message as JSON."""
    return _ENCODER.encode(message)


def decode_json(value: bytes | None, *, max_bytes: int) -> Any:
    """Plain JSON values from a record's bytes.

    Raises:
        BadMessage: `null_value`, `too_large`, `too_deep`, `too_many_objects`, `not_json`, or `bad_fields` for
            a number that no type can hold.
    """
    return _decoded(_ANY, value, max_bytes)


def decode(kind: type[M], value: bytes | None, *, max_bytes: int) -> M:
    """A message of the given kind from a record's bytes.

    Raises:
        BadMessage: With a reason of `decode_json`, or `bad_fields`, `bad_time`, `no_label`, `label_too_long`.
    """
    message: M = _decoded(_decoder(kind), value, max_bytes)
    if isinstance(message, Label | Example):
        return _with_class(message)  # type: ignore[return-value]  # of the same type
    if isinstance(message, Query):
        life_of(message)  # raises
    return message


def life_of(query: Query) -> int:
    """How long a query waits, in milliseconds.

    It is the difference of two readings of one clock, so the clock may be wrong.

    Raises:
        BadMessage: `bad_time`: one of its times is not ISO 8601 with a zone.
    """
    return int((moment(query.expires_at) - moment(query.queried_at)).total_seconds() * 1000)


def _decoded(decoder: Any, value: bytes | None, max_bytes: int) -> Any:
    if value is None:
        raise BadMessage("null_value", "the record has no value")
    if len(value) > max_bytes:
        raise BadMessage("too_large", f"the record has {len(value)} bytes, more than the {max_bytes} allowed")
    opened = value.count(b"{") + value.count(b"[")
    if opened > MAX_OBJECTS and _objects(value) > MAX_OBJECTS:
        raise BadMessage("too_many_objects", f"the record has more than {MAX_OBJECTS} objects and arrays")
    try:
        found = decoder.decode(value)
    except RecursionError:
        raise BadMessage("too_deep", "the record is nested too deeply to be read") from None
    except msgspec.ValidationError as error:
        raise BadMessage("bad_fields", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage("not_json", f"the record is not JSON: {error}{hint(value)}") from None
    if opened > MAX_DEPTH:  # else it cannot be deeper
        check_depth(found, MAX_DEPTH)
    return found


def _objects(value: bytes) -> int:
    """How many objects and arrays begin in a JSON text, without those within its texts."""
    bare = _TEXT.sub(b"", value)
    return bare.count(b"{") + bare.count(b"[")


def _with_class(message: Label | Example) -> Label | Example:
    """The message, with a label that names a class: without blanks around it (`engine.labels.spelling`)."""
    label: ClassLabel | None = message.label
    if isinstance(label, str) and label != label.strip():
        label = label.strip()
        message = msgspec.structs.replace(message, label=label)
    if label in (None, "") and not (isinstance(message, Label) and message.skipped):
        raise BadMessage("no_label", "`label` is null or blank, and `skipped` is not true")
    if isinstance(label, str) and len(label) > MAX_LABEL_CHARACTERS:
        raise BadMessage("label_too_long", f"`label` has more than {MAX_LABEL_CHARACTERS} characters")
    if isinstance(label, int) and label.bit_length() > MAX_LABEL_BITS:
        raise BadMessage("label_too_long", f"`label` is a whole number of more than {MAX_LABEL_BITS} bits")
    return message


def _settle(message: Label | Example) -> None:
    """Turn what may be written as a number into text, by the one rule of `stream_al.identity`."""
    if type(message.id) is not str:
        _set_text(message, "id")
    if message.annotator is not None and type(message.annotator) is not str:
        _set_text(message, "annotator")
    given: Any = message.labelled_at
    if given is not None and type(given) is not str:
        msgspec.structs.force_setattr(message, "labelled_at", _time_text(given))


def _set_text(message: Label | Example, name: str) -> None:
    text = id_text(getattr(message, name))
    if text is None:
        raise ValueError(f"`{name}` is a number that is not whole, or too large: write it as text")
    msgspec.structs.force_setattr(message, name, text)


def _time_text(number: float) -> str:
    """A time that is written as a number: seconds since 1970 if it is below 10^11, else milliseconds."""
    try:
        if isfinite(number):
            return iso(round(number * 1000 if abs(number) < SECONDS_BELOW else number))
    except OverflowError:
        pass
    raise ValueError("`labelled_at` is no time: write ISO 8601, or seconds or milliseconds since 1970")


def label_text(label: ClassLabel) -> str:
    """A class as the key of a JSON object: a text is the key itself, anything else is written as JSON.

    >>> label_text("spam"), label_text(True), label_text(3)
    ('spam', 'true', '3')
    """
    return label if isinstance(label, str) else encode(label).decode()


@lru_cache(maxsize=16, typed=True)
def class_names(*labels: ClassLabel) -> tuple[str, ...]:
    """Classes as the keys of one JSON object.

    Each is its `label_text`. Only a text that reads like another one of these classes keeps its quotes, so
    that no two have one name.

    >>> class_names(0, 1, "spam", "1"), class_names("0", "1")
    (('0', '1', 'spam', '"1"'), ('0', '1'))
    """
    others = {label_text(label) for label in labels if not isinstance(label, str)}
    return tuple([encode(label).decode() if label in others else label_text(label) for label in labels])


def iso(timestamp_ms: int) -> str:
    """A log timestamp as ISO 8601 in UTC.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    moment = datetime.fromtimestamp(0, UTC)
    with suppress(OverflowError):  # a producer may give its records any timestamp
        moment += timedelta(milliseconds=timestamp_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _decoder(kind: type) -> Any:
    return msgspec.json.Decoder(kind)
