"""Annotators: how many labels each gave, and how often they agree with the others.

Only samples with several labels say anything of agreement. Each annotator of such a sample forms a pair with
every other annotator of it; a pair agrees if both gave one class.

    agreement of j        pairs of j that agree / pairs of j
    rest without j        the same of the pairs that j is not in

The intervals are Wilson's (`engine.intervals`). An annotator *contradicts the rest* if the whole interval of
the agreement lies below the whole interval of the rest. It takes three annotators to find one: where two
disagree, nothing says which of them errs. Both intervals are of 99%, since every annotator is tested.

*Bounded.* The first `MOST` annotators have counts of their own, and all further ones are counted together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stream_al.engine.intervals import Z_95, Z_99, interval
from stream_al.engine.trust.speed import Pace, Speed

__all__ = ["MOST", "Annotators", "Reliability", "Share"]

MOST = 100


@dataclass(frozen=True, slots=True)
class Share:
    """A share of some cases, with its interval: all three are None of no case."""

    share: float | None
    low: float | None
    high: float | None
    cases: int

    @classmethod
    def of(cls, part: int, cases: int, z: float = Z_95) -> Share:
        """The share of a part.

        >>> Share.of(1, 1).share, Share.of(0, 0).share
        (1.0, None)
        """
        if not cases:
            return cls(None, None, None, 0)
        share = part / cases
        return cls(share, *interval(share, cases, z), cases)


@dataclass(slots=True)
class Counts:
    """The counts of one annotator.

    Attributes:
        labels: Labels that were learned or recorded as second labels.
        pairs: Pairs with another annotator of the same sample.
        agreeing: Pairs that agree.
        with_several: Labels of samples with several labels.
        with_consensus: Of these, those that are the consensus.
        speed: How fast the labels came.
    """

    labels: int = 0
    pairs: int = 0
    agreeing: int = 0
    with_several: int = 0
    with_consensus: int = 0
    speed: Speed = field(default_factory=Speed)


@dataclass(frozen=True, slots=True)
class Reliability:
    """What is known of one annotator.

    Attributes:
        annotator: The name; None for all that have no counts of their own.
        labels: As `Counts.labels`.
        agreement: The share of the pairs that agree.
        rest: The same of the pairs of all others.
        consensus: The share of the labels that are the consensus of their sample.
        contradicts: Whether the annotator contradicts the rest.
        pace: How fast the annotator labels; None if that is not known.
    """

    annotator: str | None
    labels: int
    agreement: Share
    rest: Share
    consensus: Share
    contradicts: bool
    pace: Pace | None


@dataclass(slots=True)
class Annotators:
    """The counts of all annotators.

    Attributes:
        by_name: Those of the first `MOST`.
        others: Those of the rest, and of labels without a name.
        pairs: All pairs, each once.
        agreeing: All pairs that agree.

    >>> annotators = Annotators()
    >>> for _ in range(20):
    ...     annotators.count(["ann", "bob", "eve"], ["a", "a", "b"], "a", 1)
    >>> [(one.annotator, one.agreement.share, one.contradicts) for one in annotators]
    [('ann', 0.5, False), ('bob', 0.5, False), ('eve', 0.0, True)]
    """

    by_name: dict[str, Counts] = field(default_factory=dict)
    others: Counts = field(default_factory=Counts)
    pairs: int = 0
    agreeing: int = 0

    def labelled(self, annotator: str | None, at: str | None = None) -> None:
        """Count a label, which was given at a time."""
        counts = self._of(annotator)
        counts.labels += 1
        if counts is not self.others:
            counts.speed.labelled(at)

    def agreement_of(self, annotator: str) -> Share:
        """The share of the pairs of an annotator that agree; of no case if there are none."""
        counts = self.by_name.get(annotator, Counts())
        return Share.of(counts.agreeing, counts.pairs)

    def count(self, names: Sequence[str | None], keys: Sequence[str], consensus: str, sign: int) -> None:
        """Count a sample with several labels, or take it back.

        Args:
            names: The annotators of its labels.
            keys: The labels.
            consensus: The class of the sample.
            sign: 1 to count, -1 to take back.
        """
        for name, key in zip(names, keys, strict=True):
            counts, agreeing = self._of(name), keys.count(key) - 1
            counts.pairs += sign * (len(keys) - 1)
            counts.agreeing += sign * agreeing
            counts.with_several += sign
            counts.with_consensus += sign * (key == consensus)
        self.pairs += sign * (len(keys) * (len(keys) - 1) // 2)
        self.agreeing += sign * (sum(keys.count(key) - 1 for key in keys) // 2)

    def agreements(self) -> dict[str, float]:
        """The agreement of each annotator who shares a sample with another one."""
        return {name: one.agreeing / one.pairs for name, one in self.by_name.items() if one.pairs}

    def agreement(self) -> Share:
        """The share of all pairs that agree."""
        return Share.of(self.agreeing, self.pairs)

    def __iter__(self) -> Iterator[Reliability]:
        for name, counts in self.by_name.items():
            yield self._reliability(name, counts)
        if self.others.labels or self.others.pairs:
            yield self._reliability(None, self.others)

    def contradicting(self) -> list[str]:
        """The annotators who contradict the rest."""
        return [one.annotator for one in self if one.contradicts and one.annotator is not None]

    def _reliability(self, name: str | None, counts: Counts) -> Reliability:
        rest = self.agreeing - counts.agreeing, self.pairs - counts.pairs
        sure, sure_rest = Share.of(counts.agreeing, counts.pairs, Z_99), Share.of(*rest, Z_99)
        known = name is not None and sure.high is not None and sure_rest.low is not None
        return Reliability(
            name,
            counts.labels,
            Share.of(counts.agreeing, counts.pairs),
            Share.of(*rest) if name is not None else Share.of(0, 0),
            Share.of(counts.with_consensus, counts.with_several),
            known and (sure.high or 0.0) < (sure_rest.low or 0.0),
            counts.speed.pace(),
        )

    def _of(self, name: str | None) -> Counts:
        if name is None:
            return self.others
        if name not in self.by_name:
            if len(self.by_name) >= MOST:
                return self.others
            self.by_name[name] = Counts()
        return self.by_name[name]
