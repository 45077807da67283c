"""The last labelled samples, in which a person looks for wrong labels, and for where the model fails.

Every sample with a label that the model learned is kept with all its labels, the newest first label last.
The page Quality lists them (`GET /v1/quality/items`), `engine.trust.segments` searches them, and a sample
that `engine.trust.items` has forgotten can still be asked about again.

*Bounded.* At most `MOST` samples are kept, and at most `max_bytes` bytes of them. Of a sample that takes more
than a tenth of that, the features are left out.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace

import msgspec

from stream_al.engine.trust.items import MOST_LABELS, Item, annotator_of, item_of
from stream_al.engine.trust.opinions import Given
from stream_al.messages import ClassLabel, Example, encode

__all__ = ["MOST", "Labelled", "Last", "Note"]

MOST = 5000
OVERHEAD = 600  # bytes of memory for a sample besides its example and the texts of its labels
MAX_BYTES = 2**23


@dataclass(frozen=True, slots=True)
class Note:
    """A label, and what its annotator noted with it."""

    annotator: str | None
    label: ClassLabel
    comment: str | None = None
    flagged: bool = False

    @classmethod
    def of(cls, example: Example) -> Note:
        """The label of an example."""
        return cls(annotator_of(example), example.label, example.comment, example.flagged)

    @property
    def characters(self) -> int:
        """How much text it has."""
        label = self.label if isinstance(self.label, str) else ""
        return len(self.annotator or "") + len(label) + len(self.comment or "")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled sample.

    Attributes:
        id: The id of its first query.
        version: Its version.
        offset: The offset of its first example.
        bought: Whether the service asked for the label, with a prediction and a propensity.
        predicted: What was predicted before; None without a prediction.
        propensity: The probability with which it was selected; None if that was no random draw.
        notes: Its labels, the first one first.
        record: Its first example as JSON; empty if it is too large.
        settled: Whether its label was decided on by a correction.
    """

    id: str
    version: str
    offset: int
    bought: bool
    predicted: ClassLabel | None
    propensity: float | None
    notes: tuple[Note, ...]
    record: bytes
    settled: bool = False

    @property
    def flagged(self) -> bool:
        """Whether one of its annotators has flagged it."""
        return any(note.flagged for note in self.notes)

    def example(self) -> Example | None:
        """Its first example; None if it was too large."""
        return msgspec.json.decode(self.record, type=Example) if self.record else None

    def item(self) -> Item | None:
        """It as an item that can be asked about again; None if it cannot."""
        example = self.example()
        if example is None or not self.bought:
            return None
        item = item_of(example, self.id, self.version, self.offset)
        labels = tuple(Given(note.annotator, note.label) for note in self.notes)
        return replace(item, opinions=replace(item.opinions, labels=labels), settled=self.settled)


@dataclass(slots=True)
class Last:
    """The last labelled samples, the oldest first.

    Attributes:
        max_bytes: Most bytes that they take.
        samples: By the id of the first query.
        bytes: The bytes that they take, about.

    >>> last = Last()
    >>> last.add(Example("a", "spam", {"x": 1.0}), "a", "v", 0, bought=False)
    >>> last.note(Example("a~2", "ham", second_of="a", annotator="bob"))
    >>> [note.label for note in last.samples["a"].notes]
    ['spam', 'ham']
    """

    max_bytes: int = MAX_BYTES
    samples: OrderedDict[str, Labelled] = field(default_factory=OrderedDict)
    bytes: int = 0

    def add(self, example: Example, sample_id: str, version: str, offset: int, *, bought: bool) -> None:
        """Keep a sample with its first label, as the newest one."""
        if (former := self.samples.pop(sample_id, None)) is not None:
            self.bytes -= _size(former)
        record = encode(example)
        if len(record) > self.max_bytes // 10:
            record = b""
        predicted = example.prediction.label if example.prediction else None
        note, propensity = Note.of(example), example.propensity
        self._keep(Labelled(sample_id, version, offset, bought, predicted, propensity, (note,), record))

    def note(self, example: Example) -> None:
        """Note a second label of a sample, if the sample is kept."""
        found = self.samples.get(example.second_of or "")
        if found is not None and len(found.notes) < MOST_LABELS:
            self._keep(replace(found, notes=(*found.notes, Note.of(example))))

    def correct(self, sample_id: str, place: int, label: ClassLabel) -> None:
        """Put another label in the place of a second one, counted from 1 for the second one."""
        found = self.samples.get(sample_id)
        if found is not None and place < len(found.notes):
            notes = list(found.notes)
            notes[place] = replace(notes[place], label=label)
            self._keep(replace(found, notes=tuple(notes)))

    def settle(self, sample_id: str) -> None:
        """Note that somebody has decided on the label of a sample."""
        if (found := self.samples.get(sample_id)) is not None:
            self._keep(replace(found, settled=True))

    def bound(self, max_bytes: int) -> None:
        """Keep at most so many bytes from now on."""
        self.max_bytes = max_bytes
        self._fit()

    def _keep(self, sample: Labelled) -> None:
        former = self.samples.get(sample.id)
        self.bytes += _size(sample) - (_size(former) if former else 0)
        self.samples[sample.id] = sample  # a sample that is kept already keeps its place
        self._fit()

    def _fit(self) -> None:
        while self.samples and (len(self.samples) > MOST or self.bytes > self.max_bytes):
            _, oldest = self.samples.popitem(last=False)
            self.bytes -= _size(oldest)


def _size(sample: Labelled) -> int:
    return OVERHEAD + len(sample.record) + sum(4 * note.characters for note in sample.notes)
