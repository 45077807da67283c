"""Refusals: the labels that the model could not learn, by reason and by what is at fault.

The table is a part of the fold. So every replica shows the same, a restart does not lose it, and a replay
under another model definition makes it anew: what that model can learn is no refusal any more.

    reason    as of the `BadMessage`: `model_error`, `binary_model`, `too_many_classes`, ...
    subject   the feature or the class at fault; empty if it is not known

*Bounds.* Features and classes come from the stream, so their number has no bound. The table has `MOST` rows,
and what comes after them counts for the row `OTHERS` of its reason.

*Which feature is at fault* costs tries on a copy of the model (`engine.model.faults`). An example that has
the feature of an earlier row, with a value of the same kind, counts for that row without a try. Of the others
the 1st, 2nd, 4th, 8th and so on are tried, so n refusals cost no more than log2(n) + 1 tries. This depends on
nothing but the examples, like all of the fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from stream_al.engine.model.faults import kind_of
from stream_al.engine.recent import RecentShare
from stream_al.errors import BadMessage

__all__ = ["MOST", "OTHERS", "Refusal", "Refusals"]

MOST = 50
OTHERS = "(others)"
MODEL_ERROR = "model_error"  # the reason of what River raises
MOST_CHARACTERS = 300  # of an id, a subject and a message

Explain = Callable[[], tuple[str, str]]
"""Finds the subject at fault and a message; it costs tries on a copy of the model."""


@dataclass(slots=True)
class Refusal:
    """The refused labels of one reason and subject.

    Attributes:
        reason: Why, as a stable name.
        subject: The feature or the class at fault; empty if it is not known.
        count: How many labels.
        id: The id of the last sample.
        message: What is wrong and what to do, in one sentence.
        kind: The kind of the value of the feature at fault; empty if the subject is no feature.
    """

    reason: str
    subject: str
    count: int = 0
    id: str = ""
    message: str = ""
    kind: str = ""


@dataclass(slots=True)
class Refusals:
    """The labels that the model could not learn.

    Attributes:
        rows: By reason and subject.
        recent: Of the last labels, whether each was refused.
        last: The row of the last refusal.

    >>> refusals = Refusals()
    >>> refusals.accepted()
    >>> refusals.refused("a", {"x": 1.0}, BadMessage("binary_model", "a third class", subject="'c'"))
    >>> [(row.reason, row.subject, row.count) for row in refusals], refusals.recent.share
    ([('binary_model', "'c'", 1)], 0.5)
    """

    rows: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    recent: RecentShare = field(default_factory=RecentShare)
    last: Refusal | None = None
    unexplained: int = 0

    def __iter__(self) -> Iterator[Refusal]:
        """The rows, those of most labels first."""
        return iter(sorted(self.rows.values(), key=lambda row: (-row.count, row.reason, row.subject)))

    def accepted(self) -> None:
        """A label was learned."""
        self.recent.add([False])

    def refused(
        self,
        sample_id: str,
        features: Mapping[str, object],
        error: BadMessage,
        explain: Explain | None = None,
    ) -> None:
        """A label was refused.

        Args:
            sample_id: The id of its sample.
            features: The features of the sample.
            error: Why.
            explain: Finds the feature at fault, if the error does not name its subject.
        """
        self.recent.add([True])
        row = self._row(features, error, explain)
        row.count += 1
        row.id = sample_id[:MOST_CHARACTERS]
        self.last = row

    def _row(self, features: Mapping[str, object], error: BadMessage, explain: Explain | None) -> Refusal:
        if explain is None or error.subject or error.reason != MODEL_ERROR:
            return self._named(error.reason, error.subject, str(error))
        for row in self.rows.values():
            if row.kind and row.subject in features and kind_of(features[row.subject]) == row.kind:
                return row
        self.unexplained += 1
        if self.unexplained & (self.unexplained - 1):  # no power of two
            return self._named(error.reason, "", "")
        subject, message = explain()
        kind = kind_of(features[subject]) if subject in features else ""
        return self._named(error.reason, subject, message, kind)

    def _named(self, reason: str, subject: str, message: str, kind: str = "") -> Refusal:
        """The row of a reason and a subject, with the newest message."""
        subject = subject[:MOST_CHARACTERS]
        if (reason, subject) not in self.rows and len(self.rows) >= MOST:
            subject, kind = OTHERS, ""
        row = self.rows.setdefault((reason, subject), Refusal(reason, subject, kind=kind))
        row.message = message[:MOST_CHARACTERS] or row.message
        return row
