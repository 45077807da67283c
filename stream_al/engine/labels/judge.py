"""The first label of a sample wins.

A label is judged by what is known of its sample: nothing, the same label, or another one.

    known label   new label    event         what follows
    none          any          LABEL         the example is learned
    y             y            SAME_LABEL    nothing changes
    y             not y        OTHER_LABEL   a conflict: recorded, never learned

A second label never replaces the first: whoever writes to the log may write twice, and a duplicate must
change nothing. Only a correction does (`engine.labels.corrections`), and labels after it are judged by the
corrected label. `judge` is the only place that compares labels for this rule. The joiner, the ledger, the
intake of a batch and (through the learner) the export call it, and the table of `engine.labels.lifecycle`
says which stage its events lead to.

`KnownLabels` holds the label that counts for each sample, which is the first one or its correction, with the
sample's version (`stream_al.identity`) and the offset of its first example. It remembers a bounded number of
samples and forgets the oldest first. What it forgets depends on the log alone, so all replicas forget alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from sys import intern

from stream_al.engine.labels.lifecycle import Event, Stage, follow
from stream_al.messages import ClassLabel

__all__ = ["KnownLabels", "judge", "same_label"]


def same_label(one: ClassLabel, other: ClassLabel) -> bool:
    """Whether two labels name one class: they do if they are equal in Python.

    >>> same_label(1, True), same_label("1", 1)
    (True, False)
    """
    return one == other


def judge(known: ClassLabel | None, label: ClassLabel) -> Event:
    """Say what a label means for its sample.

    Args:
        known: The first label of the sample; None if it has none.
        label: The label to judge.

    Returns:
        `LABEL` for the first label, `SAME_LABEL` for a repetition, `OTHER_LABEL` for a contradiction.

    >>> judge(None, "spam"), judge("spam", "spam"), judge("spam", "ham")
    (<Event.LABEL: 'label'>, <Event.SAME_LABEL: 'same label'>, <Event.OTHER_LABEL: 'other label'>)
    """
    if known is None:
        return Event.LABEL
    return Event.SAME_LABEL if same_label(known, label) else Event.OTHER_LABEL


class KnownLabels(Mapping[str, ClassLabel]):
    """The label that counts for each sample, by the sample's id.

    Args:
        remember: How many samples to remember.

    Attributes:
        remember: As given; it may be changed, and takes effect with the next label.
        conflicted: The ids that have a second, different label.

    >>> known = KnownLabels(remember=2)
    >>> for sample_id, label in [("a", "x"), ("b", "x"), ("a", "y"), ("c", "x")]:
    ...     event = known.add(sample_id, label)
    >>> dict(known), known.add("b", "x")
    ({'b': 'x', 'c': 'x'}, <Event.SAME_LABEL: 'same label'>)
    """

    __slots__ = ("_labels", "_offsets", "_order", "_versions", "conflicted", "remember")

    def __init__(self, remember: int) -> None:
        self.remember = remember
        self.conflicted: set[str] = set()
        self._labels: dict[str, ClassLabel] = {}
        self._versions: dict[str, str] = {}
        self._offsets: dict[str, int] = {}
        # A dictionary keeps this order too, but finding its first key passes over all keys deleted before it.
        self._order: deque[str] = deque()

    def __getitem__(self, sample_id: str) -> ClassLabel:
        return self._labels[sample_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._labels

    def version(self, sample_id: str) -> str | None:
        """The version of a sample that has a label; None if none is known of the id."""
        return self._versions.get(sample_id)

    def offset(self, sample_id: str) -> int | None:
        """The offset of the first example of a sample; None if none is known of the id."""
        found = self._offsets.get(sample_id)
        return None if found is None or found < 0 else found

    def further_offset(self, query_id: str) -> int | None:
        """The offset of the record that gave a second label, by its query; None if it is not known."""
        found = self._offsets.get(query_id)
        return -1 - found if found is not None and found < 0 else None

    def copy(self) -> KnownLabels:
        """The same labels, to add others to."""
        made = KnownLabels(self.remember)
        made.conflicted, made._order = self.conflicted.copy(), self._order.copy()
        made._labels, made._versions = self._labels.copy(), self._versions.copy()
        made._offsets = self._offsets.copy()
        return made

    def stage(self, sample_id: str) -> Stage:
        """The stage of a sample's query, as far as its labels tell."""
        if sample_id in self.conflicted:
            return Stage.CONFLICTED
        return Stage.LABELLED if sample_id in self._labels else Stage.PENDING

    def judge(self, sample_id: str, label: ClassLabel) -> Event:
        """Judge a label by what is known of its sample; nothing changes."""
        return judge(self._labels.get(sample_id), label)

    def correct(self, sample_id: str, label: ClassLabel) -> None:
        """Let another label count for a sample that has one."""
        self._labels[sample_id] = label

    def correct_further(self, query_id: str, label: ClassLabel, offset: int) -> None:
        """Let another label, of the record at an offset, be the second label of a query."""
        self._labels[query_id] = label
        self._offsets[query_id] = -1 - offset

    def add(
        self,
        sample_id: str,
        label: ClassLabel,
        version: str = "",
        offset: int | None = None,
        *,
        further: bool = False,
    ) -> Event:
        """Judge a label, and keep it if it is the sample's first.

        Args:
            sample_id: The sample.
            label: The label.
            version: The version of the sample.
            offset: The offset of the example that brings the label; None if nobody will ask for it.
            further: Whether it is a second label, which no model learns.
        """
        event = self.judge(sample_id, label)
        if event is Event.LABEL:
            # Below zero it is that of a second label: snapshots of earlier versions have this dictionary too.
            self._keep(sample_id, label, version, -1 - offset if further and offset is not None else offset)
        elif follow(self.stage(sample_id), event) is Stage.CONFLICTED:
            self.conflicted.add(sample_id)
        return event

    def _keep(self, sample_id: str, label: ClassLabel, version: str, offset: int | None) -> None:
        # Millions of ids share a few labels, so each label is kept in memory once.
        self._labels[sample_id] = intern(label) if isinstance(label, str) else label
        self._versions[sample_id] = version
        if offset is not None:
            self._offsets[sample_id] = offset
        self._order.append(sample_id)
        while len(self._order) > self.remember:
            oldest = self._order.popleft()
            del self._labels[oldest], self._versions[oldest]
            self._offsets.pop(oldest, None)
            self.conflicted.discard(oldest)
