"""Corrections: a label that supersedes the one that counts for a sample.

A wrong label that was learned stays in the model. So a correction does not teach the model anything more; it
changes what the model should have learned:

    model at offset n = fold of the first n examples in which each corrected example carries, at its own
                        place, the label of the last correction of its sample among these n

That is the model of a log whose labels were right at once: weights, evaluation, counts of classes, drift. It
depends on the log alone, so replicas agree. The log keeps both labels.

*A correction is a record among the examples*: `id`, `version`, `label`, `corrects: true`, who decided, and no
features. It corrects the first example of its sample that counts, if that one comes before it and is still
remembered (`labels.remember`). Exclusions come first: a correction that is excluded corrects nothing, and so
does one whose example is excluded, until both count again.

*When a fold meets a correction* of an example that it has learned, its model is no longer that of the law.
Only a fold from an offset before that example can make it so. The learner notes that (`Learner.overdue`) and
goes on, and the service folds anew. `Corrections` is what a fold knows of the log in advance, so it is right
at once. Labels are judged by what the log has said before them (`engine.labels.ledger`), not by what is known
in advance. So the same labels are duplicates, whenever the model was rebuilt.

*A second label* can be corrected too. No model learns it, so nothing is folded anew: the record names the
sample in `second_of`, and `engine.trust` takes the new label in the place of the old one.

*Who may correct* (`check_rights`): an operator; and whoever gave the label that counts, with the same token,
for some minutes of log time, to undo a slip.

*Consensus.* Where the labels of several annotators contradict the first one (`engine.trust`), the service
calls `by_consensus` and appends what it returns to the examples, like any other example. The record itself
makes all replicas follow. It does so once for a sample: what a person has decided, or the consensus before,
stays until a person corrects it. So no two sides correct each other for ever. The ledger keeps to that too: a
replica may write a consensus that has not read a person's decision yet.

    >>> from stream_al.engine.labels.judge import KnownLabels
    >>> ledger = Ledger(KnownLabels(remember=10))
    >>> ledger.enter(Example("a", "spam", {"x": 1.0}), 0)
    <Outcome.LEARNED: 'learned'>
    >>> made = correction(ledger, "a", "ham", Author(how=CONSENSUS))
    >>> made.label, made.reason, made.corrects
    ('ham', 'consensus', True)
    >>> correction(ledger, "a", "spam", Author(how=CONSENSUS)) is None  # it counts already
    True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_al.engine.labels.judge import same_label
from stream_al.engine.labels.ledger import CONSENSUS, MOST, Ledger
from stream_al.engine.trust.items import MARK
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel, Example

__all__ = [
    "CONSENSUS",
    "PERSON",
    "Author",
    "Corrections",
    "Given",
    "NotCorrected",
    "by_consensus",
    "check_rights",
    "correction",
]

PERSON = "correction"
"""The reason of a correction: a person's decision, or that of several annotators' labels."""


class NotCorrected(Misconfigured):
    """A label cannot be corrected, or not by this caller.

    Args:
        reason: A short, stable name in snake_case.
        mistake: What to do instead.
    """

    def __init__(self, reason: str, mistake: str) -> None:
        super().__init__(mistake)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Corrections:
    """What a fold knows in advance of corrections.

    Attributes:
        labels: The label that counts, by the offset of the corrected example.
        end: The offset up to which the log was read for them.
    """

    labels: Mapping[int, ClassLabel] = field(default_factory=dict)
    end: int = 0

    def get(self, offset: int) -> ClassLabel | None:
        """The corrected label of an example; None if it is not corrected."""
        return self.labels.get(offset)

    def label(self, offset: int, given: ClassLabel) -> ClassLabel:
        """The label of an example that came with the label `given`."""
        return self.labels.get(offset, given)

    def below(self, offset: int) -> Mapping[int, ClassLabel]:
        """Those of examples below an offset: all that a model at that offset depends on.

        >>> dict(Corrections({3: "spam", 7: "ham"}, 9).below(7))
        {3: 'spam'}
        """
        return {at: label for at, label in self.labels.items() if at < offset}


class Author(NamedTuple):
    """Who decides on a correction.

    Attributes:
        annotator: The name of a person.
        via: The name of the HTTP token.
        how: `PERSON` or `CONSENSUS`.
    """

    annotator: str | None = None
    via: str | None = None
    how: str = PERSON


class Given(NamedTuple):
    """The label that counts, as the log has it.

    Attributes:
        via: The name of the HTTP token that brought it; None if no token did.
        at_ms: The timestamp that the log gave it, in milliseconds.
    """

    via: str | None
    at_ms: int


def correction(
    ledger: Ledger,
    sample_id: str,
    label: ClassLabel,
    author: Author,
    *,
    pending: bool = False,
    labelled_at: str | None = None,
) -> Example | None:
    """The record that corrects the label of a sample; None if this label counts already.

    Args:
        ledger: What the log says of labels.
        sample_id: The id of the sample's query.
        label: The right label, which is an allowed class.
        author: Who decides.
        pending: Whether the query of the sample is pending.
        labelled_at: The time of the decision.

    Raises:
        NotCorrected: `pending`, `excluded`, `not_labelled` or `too_many`: the label cannot be corrected.
    """
    known = ledger.known
    if sample_id not in known:
        raise _refusal(ledger, sample_id, pending=pending)
    if same_label(known[sample_id], label):
        return None
    second_of = sample_id.rpartition(MARK)[0] if known.offset(sample_id) is None else None
    if (
        second_of is None
        and known.offset(sample_id) not in ledger.corrected
        and len(ledger.corrected) >= MOST
    ):
        raise NotCorrected(
            "too_many",
            f"{MOST:,} labels are corrected already, and no more can be: exclude wrong examples by a "
            "rollback",
        )
    return Example(
        id=sample_id,
        label=label,
        annotator=author.annotator,
        reason=author.how,
        labelled_at=labelled_at,
        via=author.via,
        version=known.version(sample_id) or None,
        second_of=second_of,
        corrects=True,
    )


def by_consensus(ledger: Ledger, sample_id: str, first: int, label: ClassLabel) -> Example | None:
    """The record that corrects a label that the consensus contradicts; None if it is not to be corrected.

    Args:
        ledger: What the log says of labels.
        sample_id: The id of the sample's first query.
        first: The offset of the sample's first example.
        label: The consensus.
    """
    if ledger.known.offset(sample_id) != first or first in ledger.corrected or len(ledger.corrected) >= MOST:
        return None
    return correction(ledger, sample_id, label, Author(how=CONSENSUS))


def check_rights(given: Given, *, caller: str | None, now_ms: int, minutes: float) -> None:
    """Refuse a caller who is no operator and may not correct a label.

    Args:
        given: The label that counts.
        caller: The name of the caller's token.
        now_ms: The log time now, in milliseconds.
        minutes: How long a label may be corrected by its own token (`labels.correct_minutes`).

    Raises:
        NotCorrected: `not_yours` or `too_late`.

    >>> check_rights(Given("ann", 0), caller="ann", now_ms=599_999, minutes=10)
    >>> check_rights(Given("ann", 0), caller="bob", now_ms=1, minutes=10)
    Traceback (most recent call last):
    stream_al.engine.labels.corrections.NotCorrected: this label came from another token: ask for a token \
with the role admin
    """
    if caller is None or given.via != caller:
        raise NotCorrected(
            "not_yours", "this label came from another token: ask for a token with the role admin"
        )
    if now_ms - given.at_ms >= minutes * 60_000:
        raise NotCorrected(
            "too_late",
            f"this label is older than the {minutes:g} minutes of labels.correct_minutes: ask for a token "
            "with the role admin",
        )


def _refusal(ledger: Ledger, sample_id: str, *, pending: bool) -> NotCorrected:
    shown = f"{sample_id[:100]!r}"
    if pending:
        return NotCorrected("pending", f"the query {shown} has no label yet: send its label as a label")
    if sample_id in ledger.excluded_ids:
        return NotCorrected(
            "excluded",
            f"the label of {shown} was excluded by an operator: restore it first, or label it anew",
        )
    return NotCorrected(
        "not_labelled",
        f"no label of {shown} is known: check the id; a label older than the last "
        f"{ledger.known.remember:,} ones (labels.remember) cannot be corrected",
    )
