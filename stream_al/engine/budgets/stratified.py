"""Stratified: one label in every stratum of 1/share samples, chosen as in the secretary problem.

The samples of a partition are cut into *strata* of 1/share samples each, and exactly one label is bought in
each. So the budget holds in every window by construction, whether utilities are constant, tied, saturated,
drifting or chosen by an adversary. Nothing has to be estimated or steered.

*The choice.* The most useful sample of a stratum is wanted, and it must be taken when it comes. That is the
secretary problem (when to accept one of several candidates that come one by one and do not come back) with
known past candidates: with n samples left, the best of n uniform ranks is expected at the quantile n / (n +
1), so a sample is accepted if its percentile rank reaches that quantile of the last ones (Gilbert, Mosteller:
Recognizing the Maximum of a Sequence, JASA 1966, on full information; the quantile rule is its simplest
form). The last sample of a stratum is always accepted. Percentile ranks are those of `percentile_rank`.

*Exploration.* In a share of the strata the label goes to a uniformly random sample instead. Whether a stratum
explores is drawn from its first sample. Which sample is taken is drawn sequentially: sample j of L
with probability 1 / (L - j + 1) if none was taken before (Fan, Muller, Rezucha: Development of Sampling Plans
by Using Sequential Selection Techniques, JASA 1962). While the model knows fewer than two classes every
stratum explores, since no utility has a meaning yet.

*Late labels.* A model does not know the labels that are pending, and stays uncertain about what it has asked
for already. So strata explore more while many queries are pending:

    e = e0 + (max(e0, 0.8) - e0) * pending / (pending + min(known, 1000))

where e0 is the exploration in the settings and `known` the number of examples learned. Their number is
limited since, where labels come late, examples learned long ago may no longer describe the stream.

*Propensity.* Only these two draws are random. A sample that the choice would accept is selected with
probability 1 - e + e / L, any other with e / L, where e is the exploration of the stratum and L its length.
So the choice is followed in strata that explore as well (`accepted`). These are inclusion probabilities of
the design, which takes the utilities of a stratum as given. They are exact where no label of a stratum comes
back and changes the model before the stratum ends, and where no purchase changes the utilities of the rest of
its stratum, as it does under strategies that use the history of their queries.

The share is turned into a fraction, and the arithmetic of strata is on integers, so rounding errors do not
add up over a billion samples.

Found: behind `margin`, on 28 streams, it gained 2.7 points of accuracy over random labels without delay, 1.1
with labels 500 samples late and 0.4 with labels 2,000 samples late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stream_al.engine.budgets import percentile_rank
from stream_al.engine.budgets.base import BudgetManager, Context, Decision, Reason, under_cap
from stream_al.engine.budgets.percentile_rank import PercentileRanks
from stream_al.engine.encoding import integer, number, share_of
from stream_al.engine.randomness import uniform

__all__ = ["Stratified"]

MAX_EXPLORATION = 0.8
MAX_KNOWN = 1000
_NOT_SELECTED = (Reason.BELOW, Reason.SPENT)  # by whether the label of the stratum is bought


@dataclass(frozen=True, slots=True)
class State:
    """The state of a partition.

    Attributes:
        share: The share in force; another one in the settings begins a new account.
        arrivals: Samples decided in this account.
        bought: Whether the label of this stratum is bought, or was lost to a cap.
        accepted: Whether a sample of this stratum was accepted, bought or not.
        exploration: The probability with which this stratum explores.
        explores: Whether it does.
        warmup: Whether it does because the model knew fewer than two classes when it began.
        recent: The last utilities, as `PercentileRanks` remembers them.
        ranks: Their percentile ranks, likewise.
    """

    share: float
    arrivals: int = 0
    bought: bool = False
    accepted: bool = False
    exploration: float = 0.0
    explores: bool = False
    warmup: bool = False
    recent: tuple[float, ...] = ()
    ranks: bytes = b""


class Stratified(BudgetManager):
    """Buy exactly one label in every 1/share samples."""

    claims_budget_law = True

    def start(self) -> State:
        """An empty account."""
        return State(self.share)

    def session(self, state: State, context: Context) -> _Session:
        """Begin to decide; see `BudgetManager.session`."""
        if state.share != self.share:
            state = State(self.share, recent=state.recent, ranks=state.ranks)
        return _Session(self, state, context)

    def exploration_when(self, pending: int, known: int) -> float:
        """The probability with which a stratum that begins now explores; 0 if the settings say 0.

        Args:
            pending: How many queries are pending.
            known: How many examples the model has learned.

        >>> round(Stratified(0.05, exploration=0.1, seed=0).exploration_when(pending=50, known=150), 3)
        0.275
        """
        if not (self.exploration and pending):
            return self.exploration
        most = max(self.exploration, MAX_EXPLORATION)
        return self.exploration + (most - self.exploration) * pending / (pending + min(known, MAX_KNOWN))

    def bounds(self, arrival: int) -> tuple[int, int]:
        """The first sample, and one past the last, of the stratum that sample `arrival` lies in.

        >>> Stratified(0.4, exploration=0.1, seed=0).bounds(3)
        (3, 5)
        """
        n, d = self.fraction.numerator, self.fraction.denominator
        stratum = arrival * n // d
        return -(-stratum * d // n), -(-(stratum + 1) * d // n)

    def encode(self, state: State) -> dict[str, Any]:
        """The state as JSON-ready values."""
        flags = (state.bought, state.accepted, state.explores, state.warmup)
        return {
            "share": state.share,
            "arrivals": state.arrivals,
            "flags": [int(flag) for flag in flags],
            "exploration": state.exploration,
            **percentile_rank.encode(state.recent, state.ranks),
        }

    def decode(self, values: dict[str, Any]) -> State:
        """The state that `encode` was given; see `BudgetManager.decode`."""
        try:
            bought, accepted, explores, warmup = (bool(flag) for flag in values["flags"])
            return State(
                share_of(values),
                integer(values, "arrivals"),
                bought,
                accepted,
                number(values, "exploration", 0.0, 1.0),
                explores,
                warmup,
                *percentile_rank.decode(values),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a state of the stratified manager: {error!r}") from error


class _Session:
    """The state, unpacked to be changed from sample to sample."""

    def __init__(self, manager: Stratified, state: State, context: Context) -> None:
        self.manager = manager
        self.ready = context.ready
        self.room = context.room
        self.pending, self.known = context.pending, context.known
        self.arrivals = state.arrivals
        self.bought, self.accepted = state.bought, state.accepted
        self.exploration, self.explores, self.warmup = state.exploration, state.explores, state.warmup
        self.begin, self.end = manager.bounds(state.arrivals)
        self.ranks = PercentileRanks(state.recent, state.ranks)

    def step(self, utility: float, sample_id: str) -> Decision:
        """Decide about the next sample."""
        if self.arrivals == self.end:
            self.begin, self.end = self.manager.bounds(self.arrivals)
        if self.arrivals == self.begin:
            self._open(sample_id)
        left = self.end - self.arrivals - 1
        # The n / (n + 1) quantile of the recent percentile ranks, where n samples are left after this one.
        threshold = self.ranks.utility_at((left, left + 1)) if left else 0.0
        accepts = not self.accepted and utility >= threshold
        propensity = self.exploration / (self.end - self.begin)
        if accepts:
            self.accepted = True
            propensity += 1.0 - self.exploration
        selected, reason = False, _NOT_SELECTED[self.bought]
        if not self.bought and (self._drawn(sample_id, left) if self.explores else accepts):
            self.bought = selected = True
            reason = self._reason()
        decision = Decision(sample_id, selected, utility, threshold, propensity, reason)
        decision = under_cap(decision, self.room)
        self.room -= decision.selected
        self.pending += decision.selected
        self.arrivals += 1
        self.ranks.remember(utility)
        return decision

    def state(self) -> State:
        """The state after the last step."""
        return State(
            share=self.manager.share,
            arrivals=self.arrivals,
            bought=self.bought,
            accepted=self.accepted,
            exploration=self.exploration,
            explores=self.explores,
            warmup=self.warmup,
            recent=self.ranks.utilities,
            ranks=self.ranks.ranks,
        )

    def _open(self, sample_id: str) -> None:
        self.bought = self.accepted = False
        self.warmup = not self.ready
        self.exploration = 1.0 if self.warmup else self.manager.exploration_when(self.pending, self.known)
        self.explores = uniform(self.manager.seed, "explore", sample_id) < self.exploration

    def _drawn(self, sample_id: str, left: int) -> bool:
        return uniform(self.manager.seed, "position", sample_id) * (left + 1) < 1.0

    def _reason(self) -> Reason:
        if self.explores:
            return Reason.WARMUP if self.warmup else Reason.EXPLORE
        return Reason.UNCERTAIN
