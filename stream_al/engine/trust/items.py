"""Items: the labelled samples of which enough is kept to ask about them again, and to weigh their labels.

They are kept in three queues, each of which forgets its oldest item first:

    explored    one label, and the sample was drawn at random: its labels tell the truth about the stream
    doubted     one label, bought because the model doubted
    several     two labels or more, of either kind

*Bounded.* Each queue holds at most `MOST` items, and all of them `MOST_BYTES` bytes of examples. A larger
example is not kept, nor is any label beyond `MOST_LABELS` of a sample.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from stream_al.engine.trust.opinions import Given, Opinions, class_key
from stream_al.messages import ClassLabel, Example, encode

__all__ = ["EXPLORED", "MARK", "MOST_LABELS", "Item", "Items", "annotator_of", "forgotten_item", "item_of"]

MOST = 300
MOST_BYTES = 4_000_000
MOST_LABELS = 10
MARK = "~"  # between the id of a sample and the number of its label, in the id of a second query
MOST_PROBABILITIES = 20  # of one item; the greatest are kept
EXPLORED = frozenset({"explore", "warmup"})
"""The reasons of samples that were drawn at random."""


@dataclass(frozen=True, slots=True)
class Item:
    """A labelled sample.

    Attributes:
        id: The id of its first query.
        version: Its version.
        offset: The offset of its first example; -1 if it is forgotten.
        explored: Whether it was drawn at random.
        opinions: Its labels, and what the model predicted before them.
        record: Its first example as JSON; empty if it is not kept.
        settled: Whether its label was decided on by a correction.
    """

    id: str
    version: str
    offset: int
    explored: bool
    opinions: Opinions
    record: bytes = b""
    settled: bool = False

    def with_label(self, given: Given) -> Item:
        """The item with one more label."""
        return replace(self, opinions=replace(self.opinions, labels=(*self.opinions.labels, given)))

    def with_corrected(self, place: int, label: ClassLabel) -> Item:
        """The item with another label of the same annotator at a place."""
        labels = list(self.opinions.labels)
        labels[place] = Given(labels[place].annotator, label)
        return replace(self, opinions=replace(self.opinions, labels=tuple(labels)))


@dataclass(slots=True)
class Items:
    """The items, by the id of their first query.

    Attributes:
        explored: As above.
        doubted: As above.
        several: As above.
        bytes: The bytes of all examples.
    """

    explored: OrderedDict[str, Item] = field(default_factory=OrderedDict)
    doubted: OrderedDict[str, Item] = field(default_factory=OrderedDict)
    several: OrderedDict[str, Item] = field(default_factory=OrderedDict)
    bytes: int = 0

    def __iter__(self) -> Iterator[Item]:
        for queue in (self.several, self.explored, self.doubted):
            yield from queue.values()

    def __len__(self) -> int:
        return len(self.explored) + len(self.doubted) + len(self.several)

    def get(self, sample_id: str) -> Item | None:
        """The item of an id; None if none is kept."""
        return self.several.get(sample_id) or self.explored.get(sample_id) or self.doubted.get(sample_id)

    def keep(self, item: Item) -> None:
        """Keep an item in place of the one of its id."""
        self._forget(item.id)
        if len(item.record) > MOST_BYTES // 10:
            item = replace(item, record=b"")
        queue = self._queue(item)
        queue[item.id] = item
        self.bytes += len(item.record)
        while len(queue) > MOST:
            self._forget(next(iter(queue)))
        while self.bytes > MOST_BYTES:
            fullest = max((self.explored, self.doubted, self.several), key=len)
            self._forget(next(iter(fullest)))

    def _queue(self, item: Item) -> OrderedDict[str, Item]:
        if len(item.opinions.labels) > 1:
            return self.several
        return self.explored if item.explored else self.doubted

    def _forget(self, sample_id: str) -> None:
        for queue in (self.explored, self.doubted, self.several):
            if (item := queue.pop(sample_id, None)) is not None:
                self.bytes -= len(item.record)


def annotator_of(example: Example) -> str | None:
    """Who gave the label of an example: the annotator that it names, or else the token that brought it."""
    return example.annotator if example.annotator is not None else example.via


def item_of(example: Example, sample_id: str, version: str, offset: int) -> Item:
    """The item of the first example of a sample."""
    probabilities = example.prediction.probabilities if example.prediction else {}
    return Item(
        sample_id,
        version,
        offset,
        example.reason in EXPLORED,
        opinions_of([Given(annotator_of(example), example.label)], probabilities),
        encode(example),
    )


def forgotten_item(example: Example, known: ClassLabel) -> Item:
    """The item of a sample that is no longer kept, as far as a second label of it tells.

    Args:
        example: The second label.
        known: The first label of the sample.
    """
    first = Given(next(iter(example.labelled_by), None), known)
    probabilities = example.prediction.probabilities if example.prediction else {}
    opinions = opinions_of([first], probabilities)
    return Item(example.second_of or "", example.version or "", -1, explored=False, opinions=opinions)


def opinions_of(labels: list[Given], probabilities: dict[str, float]) -> Opinions:
    """Opinions, whose probabilities are no other numbers, whatever was in the log."""
    classes = max(2, len(probabilities))
    keys = sorted(probabilities, key=probabilities.__getitem__, reverse=True)[:MOST_PROBABILITIES]
    own = [class_key(given.label, probabilities) for given in labels]
    kept = {key: min(1.0, max(0.0, probabilities[key])) for key in [*keys, *own] if key in probabilities}
    return Opinions(tuple(labels), kept, classes)
