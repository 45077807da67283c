"""Trust: what the fold over examples learns about the labels themselves.

    first label    counted, scored by what the model had predicted, and kept as an item
    second label   recorded, never learned by itself: it says whether the annotators agree
    conflict       a label that nobody had asked for, and that contradicts the one that counts: listed

It is part of the learner, so replicas that have folded the same examples know the same. The log of examples
holds all that is needed: a second label also counts if the item of its sample is forgotten, since it names
the annotator before it, and the sample's first label is known for longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from stream_al.engine.labels.judge import same_label
from stream_al.engine.trust.confusion import Confusion
from stream_al.engine.trust.crowdlab import Tally, Weights, posterior
from stream_al.engine.trust.items import MARK, MOST_LABELS, Item, Items, annotator_of, forgotten_item, item_of
from stream_al.engine.trust.last import Last
from stream_al.engine.trust.opinions import Given
from stream_al.engine.trust.thresholds import Thresholds, normalised_margin, self_confidence
from stream_al.messages import ClassLabel, Example

__all__ = ["Conflict", "Proposal", "Suspicion", "Trust", "proposal"]

MOST_SUSPICIONS = 200  # of each kind of sample
MOST_CONFLICTS = 100
SURE = 2 / 3  # the probability, between two classes, with which the model tips as many labels


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A label that the model's prediction makes suspicious (`engine.trust.thresholds`)."""

    id: str
    offset: int
    label: ClassLabel
    annotator: str | None
    predicted: ClassLabel | None
    self_confidence: float
    margin: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """A label that contradicts the one that counts, without having been asked for."""

    id: str
    offset: int
    counts: ClassLabel
    label: ClassLabel
    annotator: str | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A first label that the consensus of the sample's labels contradicts.

    Attributes:
        id: The id of the sample's first query.
        offset: The offset of its first example.
        label: The first label.
        consensus: The label to put in its place.
        posterior: The probability of the consensus among the labels given.
        labels: How many labels the sample has.
        outvoted: Whether more labels say the consensus than the first label; else the model has decided.
    """

    id: str
    offset: int
    label: ClassLabel
    consensus: ClassLabel
    posterior: float
    labels: int
    outvoted: bool


@dataclass(slots=True)
class Trust:
    """What is known about the labels.

    Attributes:
        items: The samples that can be asked about again, or have several labels.
        tally: The counts that the weights of CROWDLAB are made of.
        thresholds: The thresholds of suspicious labels, by the labels of samples drawn at random; while there
            are few of these, they list little.
        thresholds_of_doubted: The same by the labels that were bought because the model doubted.
        confusion: The confusion matrix of the labels that were bought.
        suspicious: The last suspicious labels of samples drawn at random.
        suspicious_of_doubted: The same of samples that the model doubted.
        conflicts: The last conflicts.
        second_labels: Second labels so far.
        agreeing: Of these, those that agree with the first label.
        last: The last labelled samples.
    """

    items: Items = field(default_factory=Items)
    tally: Tally = field(default_factory=Tally)
    thresholds: Thresholds = field(default_factory=Thresholds)
    thresholds_of_doubted: Thresholds = field(default_factory=Thresholds)
    confusion: Confusion = field(default_factory=Confusion)
    suspicious: deque[Suspicion] = field(default_factory=lambda: deque(maxlen=MOST_SUSPICIONS))
    suspicious_of_doubted: deque[Suspicion] = field(default_factory=lambda: deque(maxlen=MOST_SUSPICIONS))
    conflicts: deque[Conflict] = field(default_factory=lambda: deque(maxlen=MOST_CONFLICTS))
    second_labels: int = 0
    agreeing: int = 0
    last: Last = field(default_factory=Last)

    def first(self, example: Example, sample_id: str, version: str, offset: int, *, bought: bool) -> None:
        """Count the first label of a sample.

        Args:
            example: The label.
            sample_id: The id of the sample.
            version: The version of the sample.
            offset: The offset of the example.
            bought: Whether the service has asked for it, with a prediction and a propensity that can be used.
        """
        self.tally.annotators.labelled(annotator_of(example), example.labelled_at)
        bought = bought and example.prediction is not None and example.propensity is not None
        self.last.add(example, sample_id, version, offset, bought=bought)
        if not bought or example.prediction is None or example.propensity is None:
            return
        item = item_of(example, sample_id, version, offset)
        self.tally.add(item.opinions)
        self.confusion.add(example.label, example.prediction.label, propensity=example.propensity)
        self._score(example, offset, explored=item.explored)
        self.items.keep(item)

    def second(self, example: Example, known: ClassLabel | None) -> None:
        """Record a second label of a sample.

        Args:
            example: The second label.
            known: The label of the sample that counts; None if it is forgotten by now.
        """
        given = Given(annotator_of(example), example.label)
        self.tally.annotators.labelled(given.annotator, example.labelled_at)
        item = self.item(example.second_of or "")
        if item is None and known is not None:
            item = forgotten_item(example, known)
        if item is None or len(item.opinions.labels) >= MOST_LABELS:
            return
        self.second_labels += 1
        self.agreeing += same_label(item.opinions.labels[0].label, example.label)
        more = item.with_label(given)
        self.tally.remove(item.opinions)
        self.tally.add(more.opinions)
        self.items.keep(more)
        self.last.note(example)

    def correct_second(self, query_id: str, former: ClassLabel, label: ClassLabel) -> None:
        """Put another label in the place of a second one, unless its sample is forgotten.

        Args:
            query_id: The id of the second query.
            former: The label that is replaced.
            label: The label to put in its place.
        """
        sample_id, _, number = query_id.rpartition(MARK)
        item = self.item(sample_id)
        if item is None:
            return
        labels = item.opinions.labels
        place = int(number) - 1 if number.isascii() and number.isdigit() else 0  # not every digit is a number
        if not 0 < place < len(labels) or not same_label(labels[place].label, former):
            return
        more = item.with_corrected(place, label)
        self.agreeing += same_label(labels[0].label, label) - same_label(labels[0].label, former)
        self.tally.remove(item.opinions)
        self.tally.add(more.opinions)
        self.items.keep(more)
        self.last.correct(sample_id, place, label)

    def item(self, sample_id: str) -> Item | None:
        """The item of a sample, also of one that is kept among the last ones alone; None if it is none."""
        if (found := self.items.get(sample_id)) is not None:
            return found
        kept = self.last.samples.get(sample_id)
        return kept.item() if kept is not None else None

    def conflict(self, example: Example, known: ClassLabel, offset: int) -> None:
        """List a label that contradicts the first one."""
        self.conflicts.append(Conflict(example.id, offset, known, example.label, annotator_of(example)))

    def settle(self, sample_id: str) -> None:
        """Note that somebody has decided on the label of a sample, so that nothing about it is open."""
        item = self.items.get(sample_id)
        if item is not None:
            self.items.keep(replace(item, settled=True))
        self.last.settle(sample_id)
        for listed in (self.suspicious, self.suspicious_of_doubted):
            for one in [one for one in listed if one.id == sample_id]:
                listed.remove(one)

    def proposals(self) -> Iterator[Proposal]:
        """The first labels that the consensus contradicts, of the items that are kept and not settled."""
        weights = self.tally.weights()
        for item in self.items.several.values():
            if found := proposal(item, weights):
                yield found

    def _score(self, example: Example, offset: int, *, explored: bool) -> None:
        prediction, label = example.prediction, example.label
        if prediction is None or len(prediction.probabilities) < 2:
            return
        thresholds = self.thresholds if explored else self.thresholds_of_doubted
        listed = self.suspicious if explored else self.suspicious_of_doubted
        probabilities = prediction.probabilities
        if thresholds.suspicious(label, probabilities):
            scores = self_confidence(label, probabilities), normalised_margin(label, probabilities)
            who = annotator_of(example)
            listed.append(Suspicion(example.id, offset, label, who, prediction.label, *scores))
        thresholds.add(label, probabilities)


def proposal(item: Item, weights: Weights) -> Proposal | None:
    """What the consensus puts in the place of the first label of an item; None if it does not contradict it.

    A label is only contradicted by one that an annotator gave: by more labels than it has itself, or by as
    many, where the model prefers the other class with a probability of `SURE` between the two. Two annotators
    who err equally often do not say which of two labels is wrong, so the model alone tips it. CROWDLAB's
    posterior is never as sure of two labels that disagree, since it counts both.

    Args:
        item: An item with several labels.
        weights: The weights of CROWDLAB.
    """
    labels, keys = item.opinions.labels, item.opinions.keys()
    found = posterior(item.opinions, weights)
    total = sum(found[key] for key in set(keys))
    best = max(keys, key=lambda key: (keys.count(key), found[key]))
    share = found[best] / total if total else 0.0
    outvoted = keys.count(best) > keys.count(keys[0])
    tipped = _preferred(item, best, keys[0]) >= SURE
    if item.settled or best == keys[0] or item.offset < 0 or not (outvoted or tipped):
        return None
    consensus = labels[keys.index(best)].label
    return Proposal(item.id, item.offset, labels[0].label, consensus, share, len(labels), outvoted=outvoted)


def _preferred(item: Item, best: str, other: str) -> float:
    """The probability of one class between two, by the model before it learned any label of the item."""
    said = item.opinions.probabilities
    mine, its = said.get(best, 0.0), said.get(other, 0.0)
    return mine / (mine + its) if mine else 0.0
