"""What every budget manager takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from msgspec import Struct

__all__ = ["BudgetManager", "Context", "Reason", "Session", "Verdict"]


class Reason(StrEnum):
    """Why a sample was selected, or why it was not."""

    __hash__ = str.__hash__  # an enumeration's own is Python code, and every decision's reason is counted

    UNCERTAIN = "uncertain"
    """Selected: its utility reached the threshold."""
    EXPLORE = "explore"
    """Selected: drawn at random, whatever its utility."""
    WARMUP = "warmup"
    """Selected: drawn at random, since the model knows fewer than two classes."""
    BELOW = "below"
    """Not selected: its utility stayed below the threshold, or the random draw passed it by."""
    SPENT = "spent"
    """Not selected: the budget for this stretch of the stream is spent."""
    CAPPED = "capped"
    """Would have been selected, had a cap on the number of labels left any room."""


class Verdict(Struct, frozen=True, gc=False):
    """The decision about one arrival.

    Attributes:
        selected: Whether its label is asked for.
        threshold: The utility at which the manager would have said yes.
        propensity: The probability, over the manager's random draws, that the arrival is selected:
            in (0, 1] for what is selected; 0 when a cap forbids any purchase, or when a rule that
            draws nothing at random passes the arrival by.
        reason: Why.
    """

    selected: bool
    threshold: float
    propensity: float
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a manager may know besides the utilities.

    Attributes:
        ready: Whether the model knows two classes, so that utilities mean something.
        room: How many more queries may become pending; 0 or less forbids any.
        pending: How many queries are asked and not answered yet, over all partitions.
        known: How many examples the model has learned.
        partition: The partition, and
        partitions: of how many: caps on numbers of labels are divided among them.
    """

    ready: bool = True
    room: int = 2**31
    pending: int = 0
    known: int = 0
    partition: int = 0
    partitions: int = 1

    def after(self, bought: int) -> Context:
        """The situation with so many more queries pending."""
        return replace(self, room=self.room - bought, pending=self.pending + bought)


class Session(Protocol):
    """A manager on its way through a batch."""

    def step(self, utility: float, sample_id: str) -> Verdict:
        """Decide about the next arrival; the utility is one that float32 can hold."""

    def state(self) -> Any:
        """The state after the last step."""


class BudgetManager(ABC):
    """A rule that buys a share of the arrivals of one partition.

    Args:
        share: The share of the arrivals whose label may be bought, in (0, 1].
        exploration: The share of the purchases that is drawn at random, in [0, 1].
        seed: The application's seed.

    `State` is the manager's own frozen dataclass.

    Attributes:
        claims_budget_law: Whether the budget law holds; the published rules that only estimate what
            they spend do not keep it.
        explores: Whether `exploration` has a say. Where it has none, what is passed by has a propensity
            of 0, and the labels bought cannot speak for the whole stream.
    """

    claims_budget_law: ClassVar[bool]
    explores: ClassVar[bool] = True

    def __init__(self, share: float, exploration: float, seed: int) -> None:
        if not 0.0 < share <= 1.0:
            raise ValueError(f"share must lie in (0, 1], not {share}")
        if not 0.0 <= exploration <= 1.0:
            raise ValueError(f"exploration must lie in [0, 1], not {exploration}")
        self.share = share
        self.fraction = Fraction(str(share))  # sums of it are exact, over a billion arrivals too
        self.exploration = exploration
        self.seed = seed

    @property
    def window(self) -> int:
        """The number of arrivals over which spending is kept to the share; promised by the budget law.

        1/share, rounded up, unless the rule has one of its own.
        """
        return -(-self.fraction.denominator // self.fraction.numerator)

    @abstractmethod
    def start(self) -> Any:
        """The state before the first arrival."""

    @abstractmethod
    def decide(
        self, state: Any, utilities: Sequence[float], ids: Sequence[str], context: Context
    ) -> tuple[list[Verdict], Any]:
        """Decide about arrivals in their order.

        Args:
            state: The state before the first of them; it is left as it is.
            utilities: Their utilities, in [0, 1].
            ids: Their ids, which every random draw is made from.
            context: What else is known before the first of them; what is bought changes it for those
                that follow, as `Context.after` says.

        Returns:
            One verdict an arrival, and the state after the last of them.
        """

    def session(self, state: Any, context: Context) -> Session:
        """Decide about arrivals one at a time, where the utility of one depends on the verdicts before it.

        Args:
            state: The state before the first of them; it is left as it is.
            context: What else is known before the first of them.
        """
        return _Steps(self, state, context)

    @abstractmethod
    def encode(self, state: Any) -> dict[str, Any]:
        """The state as JSON-ready values, small enough for the metadata of an offset commit."""

    @abstractmethod
    def decode(self, values: dict[str, Any]) -> Any:
        """The state that `encode` was given.

        Raises:
            ValueError: These are not values that `encode` returned.
        """


class _Steps:
    """A walk by batches of one."""

    def __init__(self, manager: BudgetManager, state: Any, context: Context) -> None:
        self.manager = manager
        self.context = context
        self._state = state

    def step(self, utility: float, sample_id: str) -> Verdict:
        (verdict,), self._state = self.manager.decide(self._state, [utility], [sample_id], self.context)
        self.context = self.context.after(verdict.selected)
        return verdict

    def state(self) -> Any:
        return self._state
