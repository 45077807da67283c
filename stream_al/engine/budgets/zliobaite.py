"""The common part of the rules of Zliobaite and others: an estimate of the spending, and a moving threshold.

Zliobaite, Bifet, Pfahringer, Holmes: Active Learning With Drifting Streaming Data (IEEE Transactions on
Neural Networks and Learning Systems 25(1), 2014, section III).

*Spending.* To count the labels of the last w samples, they would have to be remembered. Instead

    u <- u (w - 1) / w + q,   q = 1 if the label was bought, 0 otherwise;   w = 100

and a label may be bought only while u / w < B, the budget (here `share`). The estimate forgets within about w
samples, so the rule overspends where w B is small: with utilities that always reach the threshold it buys 43%
more than asked at a budget of 1%, and four times as much as asked at 0.1%. That is why none of these managers
claims the budget law.

*Confidence.* The paper compares p1, the highest posterior, with a threshold. Here confidence is 1 - utility.
For the strategy `least_confidence` with k classes that is (p1 - 1/k) / (1 - 1/k): the published quantity,
scaled to [0, 1] for any number of classes. A threshold on one is a threshold on the other, and relative steps
of the threshold are relative to the scaled one. Other strategies use their own utility. Comparisons are made
on the utility, where a float is finest near 0.

*The variable threshold* starts at 1, shrinks by s = 1% with each label bought and grows by s with each sample
that is not. It does not move while nothing may be bought. Read as a utility, 1 - theta, it cannot sink below
half of the last digit of 1: after some 3,700 labels in a row of utility 1 no utility reaches it, and theta
grows again. The reference shrinks further, and takes as long to come back.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from stream_al.engine.budgets.base import Decision, Reason
from stream_al.engine.budgets.sequential import Sequential
from stream_al.engine.encoding import number, share_of

__all__ = ["WINDOW", "State", "Zliobaite", "clipped", "decision_by_threshold"]

WINDOW = 100
STEP = 0.01
LOWEST, HIGHEST = 1e-18, 100.0  # of theta; the rule itself does not reach them


@dataclass(frozen=True, slots=True)
class State:
    """The state of a partition.

    Attributes:
        share: The share in force; another one in the settings begins a new account.
        spent: The decaying estimate u of the labels bought for the last `WINDOW` samples.
        theta: The confidence below which a label is bought; 1 where the rule does not move it.
    """

    share: float
    spent: float = 0.0
    theta: float = 1.0

    def charged(self, *, bought: bool) -> State:
        """The state one sample later."""
        return replace(self, spent=self.spent * ((WINDOW - 1) / WINDOW) + bought)

    def moved(self, *, bought: bool) -> State:
        """The state with its threshold one step lower after a purchase, and one step higher otherwise."""
        theta = self.theta * (1.0 - STEP if bought else 1.0 + STEP)
        return replace(self, theta=min(HIGHEST, max(LOWEST, theta)))


class Zliobaite(Sequential):
    """A rule that may buy while the estimated spending is below the budget."""

    window: ClassVar[int] = WINDOW

    @abstractmethod
    def choose(self, state: State, utility: float, sample_id: str) -> tuple[Decision, State]:
        """The decision about a sample that may be bought, and the state, not charged for it yet."""

    def start(self) -> State:
        """An empty account."""
        return State(self.share)

    def rule(self, state: State, utility: float, sample_id: str) -> tuple[Decision, State]:
        """See `Sequential.rule`."""
        if state.spent / WINDOW < self.share:
            decision, state = self.choose(state, utility, sample_id)
        else:
            decision = Decision(sample_id, False, utility, clipped(1.0 - state.theta), 0.0, Reason.SPENT)
        return decision, state.charged(bought=decision.selected)

    def encode(self, state: State) -> dict[str, Any]:
        """The state as JSON-ready values."""
        return {"share": state.share, "spent": state.spent, "theta": state.theta}

    def read(self, values: dict[str, Any]) -> State:
        """See `Sequential.read`."""
        spent = number(values, "spent", 0.0, WINDOW)
        return State(share_of(values), spent, number(values, "theta", LOWEST, HIGHEST))


def decision_by_threshold(
    sample_id: str, utility: float, threshold: float, *, selected: bool, propensity: float | None = None
) -> Decision:
    """The decision of a threshold; without a propensity, that of a rule that draws nothing at random."""
    reason = Reason.UNCERTAIN if selected else Reason.BELOW
    chance = float(selected) if propensity is None else propensity
    return Decision(sample_id, selected, utility, clipped(threshold), chance, reason)


def clipped(threshold: float) -> float:
    """The threshold as a utility: every sample reaches 0, and only the most useful ones reach 1."""
    return min(1.0, max(0.0, threshold))
