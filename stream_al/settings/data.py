"""The settings of the data: topics, samples, queries and labels."""

from __future__ import annotations

from reprlib import repr as short
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from stream_al.engine.labels.spelling import shown
from stream_al.messages import LARGEST_RECORD, MAX_LABEL_CHARACTERS, ClassLabel
from stream_al.replica_messages import MAX_LEASE_SECONDS
from stream_al.settings.checks import (
    Count,
    Inside,
    Name,
    Place,
    Topic,
    as_metric,
)
from stream_al.settings.section import Section
from stream_al.settings.yaml_text import as_written

__all__ = ["InputSettings", "LabelSettings", "QuerySettings", "TopicSettings"]

MAX_CLASSES = 10_000
ADDED_BYTES = 100_000  # what a query or an example adds to the sample: probabilities, names and times


class TopicSettings(Section):
    """The topics, and how to create the ones that do not exist."""

    model_config = ConfigDict(validate_default=True)

    samples: Topic = Field(default="samples", description="Read: the stream to select from.")
    queries: Topic = Field(default="queries", description="Written: requests for labels (compacted).")
    labels: Topic = Field(default="labels", description="Read: the labels that annotators give.")
    examples: Topic = Field(
        default="examples", description="Written and read: features with labels, which the model learns from."
    )
    control: Topic = Field(
        default="control",
        description="Written and read: the changes made while the service runs (compacted).",
    )
    leases: Topic = Field(
        default="leases",
        description="Written and read: who labels which query (compacted, and kept for a short time).",
    )
    predictions: Topic | None = Field(
        default=None, description="Written if it has a name: the prediction of every sample."
    )
    dead_letter_suffix: Name = Field(
        default=".dlq",
        description="Ending of the topics of dead letters. Each topic that is read has one, for records that "
        "cannot be used.",
    )
    partitions: Count = Field(
        default=2, description="Partitions of samples and labels, if the service creates these topics."
    )
    replication_factor: int = Field(
        default=1, ge=1, le=32767, description="Copies of each partition, if the service creates the topic."
    )

    @field_validator("queries", "labels", "examples", "control", "leases", "predictions", mode="after")
    @classmethod
    def _has_a_name_of_its_own(cls, value: str | None, info: ValidationInfo) -> str | None:
        for part, topic in info.data.items():
            if value and topic and as_metric(value) == as_metric(topic):
                raise ValueError(f"write another name: {short(value)} collides with topics.{part}")
        return value

    @field_validator("dead_letter_suffix", mode="after")
    @classmethod
    def _gives_names_of_their_own(cls, suffix: str, info: ValidationInfo) -> str:
        topics = {as_metric(topic) for topic in info.data.values() if topic}
        for letters in (topic + suffix for topic in info.data.values() if topic):
            if len(letters) > 249:
                raise ValueError(
                    f"write a shorter suffix, or shorter topics: {short(letters)} is longer than 249 letters"
                )
            if as_metric(letters) in topics:
                raise ValueError(f"write another suffix: {short(letters)} collides with a topic")
        return suffix


class InputSettings(Section):
    """Where the parts of a sample are in a record, and how large a record may be."""

    id: Inside = Field(
        default="auto",
        description="Where the sample's id is: a path such as transaction.id, key (the record's key), "
        "position (topic, partition and offset), or auto.",
    )
    features: Place = Field(
        default="auto", description="Where the features are: a path, . for the whole object, or auto."
    )
    payload: Place | None = Field(
        default=None, description="Path of what the annotator sees in addition to the features."
    )
    include: tuple[str, ...] = Field(
        default=(), description="Features to keep, as shell patterns. An empty list keeps all."
    )
    exclude: tuple[str, ...] = Field(default=(), description="Features to leave out, as shell patterns.")
    start: Literal["earliest", "latest"] = Field(
        default="earliest", description="Where a consumer group without committed offsets begins."
    )
    max_bytes: int = Field(
        default=1_000_000, ge=1024, le=LARGEST_RECORD, description="Largest record, in bytes."
    )
    max_depth: int = Field(default=8, ge=1, le=100, description="Deepest nesting of a record.")
    max_features: Count = Field(default=10_000, description="Most features of one sample.")
    max_text: Count = Field(default=100_000, description="Most characters of one text feature.")
    max_name: Count = Field(
        default=1000,
        description="Most characters of the name of a feature. For a nested one, the names on the way count.",
    )

    @property
    def max_message_bytes(self) -> int:
        """The largest query or example: the sample, its features flattened, and what the service adds."""
        return 2 * self.max_bytes + ADDED_BYTES


class QuerySettings(Section):
    """Requests for labels."""

    life_hours: float = Field(
        default=168, gt=0, description="Hours after which a query without a label expires."
    )
    max_pending_bytes: Count = Field(
        default=100_000_000,
        description="Most bytes of pending queries. Selection pauses while they take so many, as it does at "
        "`budget.pending`. Queries that others write are read up to twice as many; further ones are passed "
        "over, and reported.",
    )
    tombstones: bool = Field(
        default=True,
        description="Whether a record with the value null closes a query. Write false if clients cannot read "
        "null.",
    )


class LabelSettings(Section):
    """Labels from annotators."""

    classes: tuple[ClassLabel, ...] = Field(
        default=(),
        description="The classes that a label may name, with their types: [0, 1], [ok, fraud], [true, "
        'false], or texts in quotes, ["0", "1"]. A label that differs from one of them in type or case alone '
        "is taken for it; any other is refused, and its query stays pending. An empty list allows any class.",
    )

    remember: Count = Field(
        default=50_000,
        description="Ids whose label is kept in memory, to recognise duplicates and conflicts. Of ids whose "
        "query was closed, as many are kept, but 50,000 at most.",
    )

    per_query: int = Field(
        default=1,
        ge=1,
        le=9,
        description="Labels that each sample gets which is asked about, each from another annotator who does "
        "not see the others. All count against the budget: with 2, half as many samples are asked about.",
    )

    second_share: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Share of these samples for which one more annotator is asked, first about the "
        "labels most in doubt. With 0.1 and a budget of 110 labels, 100 samples "
        "are asked about, and 10 of them again. The model learns the first label of a sample alone. The "
        "others show which labels and which annotators are wrong (`GET /v1/quality`).",
    )

    lease_seconds: float = Field(
        default=300,
        ge=1,
        le=MAX_LEASE_SECONDS,
        description="How long a query that was leased is kept for one person, unless the lease is renewed. "
        "Then others get it.",
    )

    correct_by_consensus: bool = Field(
        default=True,
        description="Whether a first label is corrected if more second labels contradict it than support it. "
        "Otherwise the correction is only proposed (`GET /v1/quality`).",
    )

    unsolicited: bool = Field(
        default=False,
        description="Whether the HTTP role label may send labels that bring their own features, for ids "
        "without a query. The role admin always may, and so may whoever writes to the topic.",
    )

    correct_minutes: float = Field(
        default=10.0,
        ge=0.0,
        le=10_000_000.0,
        allow_inf_nan=False,
        description="How long the HTTP role label may correct a label that came with its own token, in "
        "minutes; 0 means never. The role admin always may.",
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _have_types(cls, value: Any) -> Any:
        return [as_written(label) for label in value] if isinstance(value, list) else value

    @field_validator("classes", mode="after")
    @classmethod
    def _are_told_apart(cls, value: tuple[ClassLabel, ...]) -> tuple[ClassLabel, ...]:
        if len(value) == 1 or len(value) > MAX_CLASSES:
            raise ValueError(f"write 2 to {MAX_CLASSES} classes, or an empty list to allow any")
        known: dict[ClassLabel, ClassLabel] = {}
        for label in value:
            if isinstance(label, str) and not 0 < len(label.strip()) == len(label) <= MAX_LABEL_CHARACTERS:
                raise ValueError(
                    f"write a class of 1 to {MAX_LABEL_CHARACTERS} characters without blanks around it, not "
                    f"{shown(label)}"
                )
            if label in known:
                raise ValueError(
                    f"write each class once: {shown(known[label])} and {shown(label)} are one class"
                )
            known[label] = label
        return value
