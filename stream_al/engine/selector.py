"""The selector: which samples of one partition are worth a label?

    arrivals --strategy--> utilities --budget manager--> verdicts --> decisions

The selector is pure. `decide` takes the partition's state and a batch and returns the decisions and
the state after them; nothing is applied. The service first makes the decisions durable, then commits
offset and encoded state in one write, and only then keeps the state, so that a crash at any point
repeats decisions and never forgets one.

The encoding is versioned and JSON, since it lives in the metadata of Kafka's offset commits, where
an operator may look at it and where a later version of this program must still read it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_al.engine.budgets import MANAGERS, BudgetManager, Reason, Situation
from stream_al.engine.strategies import STRATEGIES, Arrival, utilities

__all__ = ["Decision", "Selector"]

STATE_VERSION = 1
STATE_LIMIT_BYTES = 4096  # Kafka's offset.metadata.max.bytes, as brokers have it by default


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one sample, and why.

    Attributes:
        id: The sample's id.
        selected: Whether its label is asked for.
        utility: How informative the label would be, in [0, 1].
        threshold: The utility at which the answer would have been yes.
        propensity: The probability with which the sample is selected; in (0, 1] for every selected one.
        reason: Why.
    """

    id: str
    selected: bool
    utility: float
    threshold: float
    propensity: float
    reason: Reason


class Selector:
    """A query strategy and a budget manager, named as in the settings.

    Args:
        strategy: A name in `STRATEGIES`.
        manager: A name in `MANAGERS`.
        share: The share of the arrivals whose label may be bought, in (0, 1].
        exploration: The share of the purchases drawn at random, in [0, 1].
        seed: The application's seed.

    >>> selector = Selector("margin", "stratified", share=0.5, exploration=0.0, seed=0)
    >>> arrivals = [Arrival(str(i), {"x": p, "y": 1 - p}) for i, p in enumerate([0.9, 0.6, 0.5, 1.0])]
    >>> decisions, after = selector.decide(selector.start(), arrivals, Situation())
    >>> [d.id for d in decisions if d.selected]
    ['0', '2']
    """

    def __init__(self, strategy: str, manager: str, *, share: float, exploration: float, seed: int) -> None:
        self.strategy_name = strategy
        self.manager_name = manager
        self.seed = seed
        self.strategy = STRATEGIES[strategy]
        self.manager: BudgetManager = MANAGERS[manager](share, exploration, seed)

    def start(self) -> Any:
        """The state of a partition before its first sample."""
        return self.manager.start()

    def decide(
        self, state: Any, arrivals: Sequence[Arrival], situation: Situation
    ) -> tuple[list[Decision], Any]:
        """Decide about arrivals in their order.

        Args:
            state: The partition's state before the first of them; it is left as it is.
            arrivals: The samples as the model sees them now.
            situation: What else is known; the same for all of them.

        Returns:
            One decision an arrival, and the state after the last of them.
        """
        # Managers remember utilities as float32; rounded here, what is explained is what was compared.
        scores = np.asarray(utilities(self.strategy, arrivals, self.seed), dtype="<f4").tolist()
        verdicts, after = self.manager.decide(state, scores, [a.id for a in arrivals], situation)
        decisions = [
            Decision(a.id, v.selected, u, v.threshold, v.propensity, v.reason)
            for a, u, v in zip(arrivals, scores, verdicts, strict=True)
        ]
        return decisions, after

    def encode(self, state: Any) -> str:
        """The state as text of at most `STATE_LIMIT_BYTES` bytes of ASCII."""
        values = {"v": STATE_VERSION, "manager": self.manager_name, "state": self.manager.encode(state)}
        text = json.dumps(values, separators=(",", ":"))
        if len(text) > STATE_LIMIT_BYTES:
            raise ValueError(f"the state of {self.manager_name} takes {len(text)} bytes")
        return text

    def decode(self, text: str) -> Any | None:
        """The state that `encode` was given.

        Returns:
            None if the text is of another version, of another manager or not ours at all: the
            partition then starts a fresh account, which no budget is hurt by.
        """
        try:
            values = json.loads(text)
            if values["v"] != STATE_VERSION or values["manager"] != self.manager_name:
                return None
            return self.manager.decode(values["state"])
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
