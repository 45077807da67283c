"""Drift: whether the stream has changed, told by the errors in the labels that came back.

Every example carries the prediction that was made when its label was asked for. So each label shows whether
the model was right, in the one order of the log. A model that still fits makes as many errors as before, or
fewer. When its errors become more, what it has learned no longer holds.

The errors go through ADWIN (Bifet, Gavalda: Learning from Time-Changing Data with Adaptive Windowing, SDM
2007), as River has it: a window over the last errors, which is cut as soon as two parts of it differ by more
than chance allows at confidence `DELTA`. It is also cut when errors become fewer; that is a model that
learns, and no drift. A cut after which errors are more is one.

The labels bought are no fair sample of the stream. Their errors say *that* something changed, and not how
good the model is (`engine.labels.evaluation` estimates that).

Found: of ADWIN, HDDM-A, HDDM-W, Page-Hinkley and DDM, ADWIN and a strict HDDM-A raised no false alarm. ADWIN
was the cheaper of the two to compute (tests/benchmarks/README.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from river.drift import ADWIN

__all__ = ["Drift"]

DELTA = 0.002  # the probability, at most, with which a window without a change is cut


def _window() -> ADWIN:
    return ADWIN(delta=DELTA, clock=1)  # type: ignore[no-untyped-call]  # River types its estimators only


@dataclass(slots=True)
class Drift:
    """The drifts found so far; a part of the fold over the examples.

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
        """Count whether the model was right about the example at `offset`; return whether that is a drift."""
        before = self._errors.estimation
        self._errors.update(int(not correct))  # type: ignore[no-untyped-call]  # as above
        if not self._errors.drift_detected or self._errors.estimation <= before:
            return False
        self.found += 1
        self.last = offset
        return True
