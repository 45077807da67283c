"""What every budget manager takes and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from msgspec import Struct
from msgspec.structs import replace

from stream_al.engine.encoding import rounded_all

__all__ = ["BudgetManager", "Context", "Decision", "Reason", "Session", "under_cap"]


class Reason(StrEnum):
    """Why a sample was selected, or why it was not."""

    __hash__ = str.__hash__  # an enumeration's own is Python code, and every decision's reason is counted

    UNCERTAIN = "uncertain"
    """Selected: its utility reached the threshold."""
    EXPLORE = "explore"
    """Selected: drawn at random, whatever its utility."""
    WARMUP = "warmup"
    """Selected: drawn at random, since the model knows fewer than two classes."""
    MANUAL = "manual"
    """Selected: a person asked for its label (`engine.budgets.manual`)."""
    BELOW = "below"
    """Not selected: its utility was below the threshold, or the random draw did not take it."""
    SPENT = "spent"
    """Not selected: the budget for this part of the stream is spent."""
    CAPPED = "capped"
    """Not selected: a cap on the number of labels left no room for it."""
    DISPLACED = "displaced"
    """Not selected: a sample whose label a person asked for took its place in the budget."""


class Decision(Struct, frozen=True, gc=False):
    """The decision about one sample, and why.

    Attributes:
        id: The sample's id, or what its random choices are drawn from in the place of that.
        selected: Whether its label is asked for.
        utility: How informative the label would be, in [0, 1], as float32 holds it.
        threshold: The utility from which on the sample would have been selected.
        propensity: The probability, over the manager's random draws, that the sample is selected. It is in
            (0, 1] for every selected sample. It is 0 where a cap forbids any purchase, and where a rule that
            draws nothing at random does not select the sample.
        reason: Why.
    """

    id: str
    selected: bool
    utility: float
    threshold: float
    propensity: float
    reason: Reason


def under_cap(decision: Decision, room: int) -> Decision:
    """The decision where caps leave room for so many more labels.

    A cap takes away the purchase and nothing else. The manager's account goes on as if the label had been
    bought, so what a cap forbids is lost and never saved up, and no burst follows a pause. While there is no
    room no sample can be selected, so the propensity is 0.

    >>> decision = Decision("a", True, 0.5, 0.25, 0.9, Reason.UNCERTAIN)
    >>> under_cap(decision, room=1) is decision
    True
    >>> capped = under_cap(decision, room=0)
    >>> capped.selected, capped.propensity, capped.reason
    (False, 0.0, <Reason.CAPPED: 'capped'>)
    """
    if room > 0:
        return decision
    reason = Reason.CAPPED if decision.selected else decision.reason
    return replace(decision, selected=False, propensity=0.0, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a manager may know besides the utilities.

    Attributes:
        ready: Whether the model knows two classes, so that utilities have a meaning.
        room: How many more queries may become pending; 0 or less forbids any.
        pending: How many queries are pending, over all partitions.
        known: How many examples the model has learned.
        partition: The partition, counted from 0.
        partitions: The number of partitions, among which caps on numbers of labels are divided.
        again: How many samples the partition can ask about again.
    """

    ready: bool = True
    room: int = 2**31
    pending: int = 0
    known: int = 0
    partition: int = 0
    partitions: int = 1
    again: int = 0

    def after(self, bought: int) -> Context:
        """The context with so many more queries pending."""
        return changed(self, room=self.room - bought, pending=self.pending + bought)


class Session(Protocol):
    """A manager that decides about one sample after another."""

    def step(self, utility: float, sample_id: str) -> Decision:
        """Decide about the next sample; float32 must be able to hold the utility."""

    def state(self) -> Any:
        """The state after the last step."""


class BudgetManager(ABC):
    """A rule that buys labels for a share of the samples of one partition.

    Args:
        share: The share of the samples whose label may be bought, in (0, 1].
        exploration: The share of the purchases that is drawn at random, in [0, 1].
        seed: The application's seed.

    `State` is the manager's own frozen dataclass.

    Attributes:
        claims_budget_law: Whether the budget law holds. The published rules that only estimate what they
            spend do not keep it.
        explores: Whether the manager uses `exploration`. Where it does not, samples that are not selected
            have a propensity of 0, and nothing about the whole stream can be estimated from the labels
            bought.
    """

    claims_budget_law: ClassVar[bool]
    explores: ClassVar[bool] = True

    def __init__(self, share: float, exploration: float, seed: int) -> None:
        if not 0.0 < share <= 1.0:
            raise ValueError(f"share must lie in (0, 1], not {share}")
        if not 0.0 <= exploration <= 1.0:
            raise ValueError(f"exploration must lie in [0, 1], not {exploration}")
        self.share = share
        self.fraction = Fraction(str(share))  # sums of it are exact, over a billion samples too
        self.exploration = exploration
        self.seed = seed

    @property
    def window(self) -> int:
        """The number of samples over which spending is kept to the share, by the budget law.

        It is 1/share, rounded up, unless the rule has one of its own.
        """
        return -(-self.fraction.denominator // self.fraction.numerator)

    @abstractmethod
    def start(self) -> Any:
        """The state before the first sample."""

    @abstractmethod
    def session(self, state: Any, context: Context) -> Session:
        """Begin to decide about one sample after another.

        Args:
            state: The state before the first of them; it is not changed.
            context: What else is known before the first of them. What is bought changes it for the samples
                that follow, as `Context.after` says.
        """

    def decide(
        self, state: Any, utilities: Sequence[float], ids: Sequence[str], context: Context
    ) -> tuple[list[Decision], Any]:
        """Decide about samples in their order.

        Args:
            state: As `session`.
            utilities: Their utilities, in [0, 1].
            ids: Their ids, which every random draw is made from.
            context: As `session`.

        Returns:
            One decision a sample, and the state after the last of them.
        """
        session = self.session(state, context)
        # Rounded as the states keep them, so that utilities that are tied stay tied after a restart.
        pairs = zip(rounded_all(utilities), ids, strict=True)
        return [session.step(utility, sample_id) for utility, sample_id in pairs], session.state()

    @abstractmethod
    def encode(self, state: Any) -> dict[str, Any]:
        """The state as JSON-ready values, small enough for the metadata of an offset commit."""

    @abstractmethod
    def decode(self, values: dict[str, Any]) -> Any:
        """The state that `encode` was given.

        Raises:
            ValueError: These are not values that `encode` returned.
        """
