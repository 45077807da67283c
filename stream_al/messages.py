"""The messages on the topics as types, and their form as bytes.

Messages are JSON. Unknown members are ignored. Timestamps are ISO 8601 in UTC.

*Everything read here may be hostile.* Every record of every topic is read by `decode`, or by `decode_json`
where it has no type. Both keep the limits of `stream_al.json_records`. After `decode` this holds as well, so
no reader has to check it again:

    ids        1 to `MAX_ID_CHARACTERS` characters
    labels     a class without blanks around it, of a bounded length; so are the classes of a prediction
    times      those of a query have a zone, so that they can be subtracted
    texts      each has a bounded length, but features and payloads, which are bounded by the record: the rest
               is kept by annotator, by class or by label, so that its bytes would have no bound

Elsewhere: classes as text (`stream_al.class_names`), times as text (`stream_al.times`), and the records of
the topics `control` and `leases` (`stream_al.replica_messages`). Samples have no type here, because each
stream has its own form of them (`engine.samples.sample`).

Whoever handles messages needs JSON, classes and times too, so their functions can be imported from here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import msgspec

from stream_al.class_names import ClassLabel, class_names, label_text
from stream_al.errors import BadMessage
from stream_al.identity import MAX_ID_CHARACTERS, id_text
from stream_al.json_records import LARGEST_RECORD, decode_json, decoded, encode
from stream_al.terminal import printable
from stream_al.times import iso, moment, time_text

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
    "class_of",
    "decode",
    "decode_json",
    "encode",
    "iso",
    "label_text",
    "life_of",
]

MAX_LABEL_CHARACTERS = 512
MAX_LABEL_BITS = 64
MOST_NAME, MOST_NAMES = 40, 10  # characters of a member in an error, and members
MAX_VERSION_CHARACTERS = 64
MAX_TEXT_CHARACTERS = 1000  # of a time, a reason, or the name of a model, as others may write them
MAX_ANNOTATORS = 100  # of one sample
MAX_OFFSET = 2**63 - 1

if TYPE_CHECKING:  # what a message holds once it is read
    Id: TypeAlias = str
    Name: TypeAlias = str
    Time: TypeAlias = str
    Class: TypeAlias = ClassLabel
else:  # what may be written; the messages turn it into text when they are made
    Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)] | int | float
    Name = Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARACTERS)] | int | float
    Time = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARACTERS)] | int | float
    Class = Annotated[str, msgspec.Meta(max_length=MAX_LABEL_CHARACTERS)] | int | float | bool
Offset = Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)]
Person = Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARACTERS)]
Annotators = Annotated[list[Person], msgspec.Meta(max_length=MAX_ANNOTATORS)]
ClassName = Annotated[str, msgspec.Meta(max_length=MAX_LABEL_CHARACTERS + 2)]  # with quotes (`class_names`)
Short = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARACTERS)]
TextId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
Version = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_VERSION_CHARACTERS)]
OwnVersion = Annotated[str, msgspec.Meta(max_length=MAX_VERSION_CHARACTERS)]  # empty if a query has none
Comment = Annotated[str, msgspec.Meta(max_length=2000)]
SkipReason = Annotated[str, msgspec.Meta(max_length=200)]


class Prediction(msgspec.Struct, frozen=True):
    """The model's prediction for a sample.

    Attributes:
        label: The class that the objective of the model serves; None while the model knows no class.
        probabilities: Class to probability, the class as text.
    """

    label: Class | None
    probabilities: dict[ClassName, float]


class ModelStamp(msgspec.Struct, frozen=True):
    """The model that made a prediction: its name, the fingerprint of its definition, the examples learned."""

    name: Short
    version: Short
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
    reason: Short
    strategy: Short
    model: ModelStamp
    sampled_at: Short
    queried_at: Short
    expires_at: Short
    payload: Any = None
    pending: int = 0
    version: OwnVersion = ""
    sample_id: TextId | None = None
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
    via: Person | None = None
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
    reason: Short | None = None
    prediction: Prediction | None = None
    queried_at: Short | None = None
    labelled_at: Time | None = None
    model: ModelStamp | None = None
    via: Person | None = None
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


def decode(kind: type[M], value: bytes | None, *, max_bytes: int) -> M:
    """A message of the given kind from a record's bytes.

    Raises:
        BadMessage: With a reason of `decode_json`, or `bad_fields`, `bad_time`, `no_label`, `label_too_long`.
    """
    if kind is Label:
        try:
            return _with_class(decoded(_decoder(kind), value, max_bytes))  # type: ignore[return-value]  # a label
        except BadMessage as error:
            raise _told_by_members(error, value, max_bytes) from None
    message: M = decoded(_decoder(kind), value, max_bytes)
    if isinstance(message, Example):
        return _with_class(message)  # type: ignore[return-value]  # of the same type
    if isinstance(message, Query):
        life_of(message)  # raises
        moment(message.sampled_at)  # raises
    return message


def life_of(query: Query) -> int:
    """How long a query waits, in milliseconds.

    It is the difference of two readings of one clock, so the clock may be wrong.

    Raises:
        BadMessage: `bad_time`: one of its times is not ISO 8601 with a zone.
    """
    return int((moment(query.expires_at) - moment(query.queried_at)).total_seconds() * 1000)


def class_of(label: ClassLabel | None) -> ClassLabel | None:
    """The class that a label names: without blanks around it (`engine.labels.spelling`); None if it is blank.

    Raises:
        BadMessage: `label_too_long`.

    >>> class_of(" fraud "), class_of("  ")
    ('fraud', None)
    """
    if isinstance(label, str):
        label = label.strip() or None
        if label is not None and len(label) > MAX_LABEL_CHARACTERS:
            raise BadMessage("label_too_long", f"`label` has more than {MAX_LABEL_CHARACTERS} characters")
    elif isinstance(label, int) and label.bit_length() > MAX_LABEL_BITS:
        raise BadMessage("label_too_long", f"`label` is a whole number of more than {MAX_LABEL_BITS} bits")
    return label


def _with_class(message: Label | Example) -> Label | Example:
    """The message, with a label that names a class."""
    given: ClassLabel | None = message.label
    label = class_of(given)
    if label is None and not (isinstance(message, Label) and message.skipped):
        raise BadMessage("no_label", "`label` is null or blank, and `skipped` is not true")
    if isinstance(given, str) and label != given:
        return msgspec.structs.replace(message, label=label or "")
    return message


def _told_by_members(error: BadMessage, value: bytes | None, max_bytes: int) -> BadMessage:
    """The error about a label, with the members that it has where one is lacking: one may be misspelt."""
    if error.reason not in ("bad_fields", "no_label"):
        return error
    record = decode_json(value, max_bytes=max_bytes)
    lacking = [name for name in ("id", "label") if isinstance(record, dict) and name not in record]
    if not lacking:
        return error
    others = [name for name in record if name != "via"]
    there = ", ".join(printable(name, MOST_NAME) for name in others[:MOST_NAMES])
    more = ", ..." if len(others) > MOST_NAMES else ""
    told = f"there is no member `{lacking[0]}`, but {there or 'none'}{more}: a label is "
    error.args = (told + '{"id": ..., "label": ...}, or with "skipped": true in place of the class',)
    return error


def _settle(message: Label | Example) -> None:
    """Turn what may be written as a number into text, by the one rule of `stream_al.identity`."""
    if type(message.id) is not str:
        _set_text(message, "id")
    if message.annotator is not None and type(message.annotator) is not str:
        _set_text(message, "annotator")
    given: Any = message.labelled_at
    if given is not None and type(given) is not str:
        msgspec.structs.force_setattr(message, "labelled_at", time_text(given))


def _set_text(message: Label | Example, name: str) -> None:
    text = id_text(getattr(message, name))
    if text is None:
        raise ValueError(f"`{name}` is a number that is not whole, or too large: write it as text")
    msgspec.structs.force_setattr(message, name, text)


@cache
def _decoder(kind: type) -> Any:
    return msgspec.json.Decoder(kind)
