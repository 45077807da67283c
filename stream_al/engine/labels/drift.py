"""Has the world changed? Told by the errors in the labels that came back.

Every example carries what the model said when its label was asked for, so each label that comes back is
one right or wrong, in the log's one order. A model that still fits errs as often as before, or less; when
it begins to err more, what it has learned no longer holds.

The errors go through River's ADWIN (Bifet, Gavalda 2007): a window over the last errors that is cut as
soon as two parts of it differ by more than chance allows at confidence `DELTA`. It cuts when errors become
fewer, too: that is a model that learns, and no drift. A cut after which errors are more is one.

Tried on errors of a known rate (30 streams of 5,000 each, rates from 2% to 50%, and a rate that falls from
50% to 10% as a model learns), with changes from 10% to 30%, 10% to 50% and 30% to 50% after 500 and 5,000:

    detector                         false alarms           median delay, in labels
    ADWIN, checked at every label    none in 750,000        32 to 199
    HDDM-A, confidence 0.00001       none                   38 to 209, ten times slower to compute
    HDDM-A, confidence 0.001         up to 0.2 a stream     31 to 124
    HDDM-W, confidence 0.001         up to 3.7 a stream     23 to 152
    Page-Hinkley, threshold 50       up to 0.2 a stream     106 to 329
    DDM                              up to 4.6 a stream     27 to 603

The labels bought are no fair sample of the stream: their errors say *that* something changed, not how good
the model is (`engine.labels.evaluation` does).
Only those asked for at random are fair, a tenth of all. Both were
tried behind the default strategy and budget, with three models on River's SEA and Agrawal, a change after
6,000 of 12,000 samples, budgets of 5% and 20%, three seeds: neither saw a drift before there was one; all
labels showed it in 18 of 36 streams, the random ones in 6 of these, 250 to 640 labels later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from river.drift import ADWIN

__all__ = ["Drift"]

DELTA = 0.002  # a window without a change is cut with at most this probability


def _window() -> ADWIN:
    return ADWIN(delta=DELTA, clock=1)  # type: ignore[no-untyped-call]  # River types its estimators only


@dataclass(slots=True)
class Drift:
    """What the errors say so far; a part of the fold over the examples.

    Attributes:
        found: How many drifts were found.
        last: The offset of the example at which the last one was found; None before the first.

    >>> drift = Drift()
    >>> any(drift.update(correct=offset % 10 > 0, offset=offset) for offset in range(500))
    False
    >>> any(drift.update(correct=offset % 2 > 0, offset=offset) for offset in range(500, 600))
    True
    >>> drift.found, 500 < drift.last < 600
    (1, True)
    """

    found: int = 0
    last: int | None = None
    _errors: ADWIN = field(default_factory=_window)

    def update(self, *, correct: bool, offset: int) -> bool:
        """Take in whether the model was right about the example at `offset`; whether that shows a drift."""
        before = self._errors.estimation
        self._errors.update(int(not correct))  # type: ignore[no-untyped-call]  # as above
        if not self._errors.drift_detected or self._errors.estimation <= before:
            return False
        self.found += 1
        self.last = offset
        return True
