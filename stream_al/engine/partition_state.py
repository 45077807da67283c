"""The state of a partition, and its text in the metadata of an offset commit.

The state is the budget manager's account, the labels bought so far (for the caps), the credit for second
labels, and, for a strategy that uses it, the history of the last samples and queries. Offset and state are
committed in one write, so the state moves with the partition. The text is JSON with a version, since an
operator may read it, and a later version of this program must.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from stream_al.engine.budgets import BudgetManager
from stream_al.engine.budgets.caps import Account
from stream_al.engine.budgets.second_labels import Credit
from stream_al.engine.strategies.history.history import History

__all__ = ["STATE_LIMIT_BYTES", "State", "decode", "encode"]

STATE_VERSION = 1
STATE_LIMIT_BYTES = 4096  # Kafka's offset.metadata.max.bytes, as brokers have it by default


@dataclass(frozen=True, slots=True)
class State:
    """The state of a partition.

    Attributes:
        account: The budget manager's state.
        spent: The labels bought, for the caps.
        history: The last samples and queries; None for a strategy that does not use them.
        credit: What second labels may be bought for.
    """

    account: Any
    spent: Account = field(default_factory=Account)
    history: History | None = None
    credit: Credit = field(default_factory=Credit)

    def is_later_than(self, other: State) -> bool:
        """Whether it is the later one of two states of a partition: what was bought only grows."""
        return self.spent.bought > other.spent.bought


def encode(state: State, name: str, manager: BudgetManager) -> str:
    """The state as text of at most `STATE_LIMIT_BYTES` bytes of ASCII.

    Args:
        state: The state.
        name: The manager's name in the settings.
        manager: The manager.

    Raises:
        ValueError: The text would be longer.
    """
    values: dict[str, Any] = {
        "v": STATE_VERSION,
        "manager": name,
        "state": manager.encode(state.account),
        "spent": state.spent.encode(),
    }
    if state.credit != Credit():
        values["second"] = state.credit.encode()
    if state.history is not None:
        values["memory"] = state.history.encode()
    text = json.dumps(values, separators=(",", ":"))
    if len(text) > STATE_LIMIT_BYTES:
        raise ValueError(f"the state of {name} takes {len(text)} bytes")
    return text


def decode(text: str, name: str, manager: BudgetManager, *, uses_history: bool) -> State | None:
    """The state that `encode` was given.

    Args:
        text: The text.
        name: The manager's name in the settings.
        manager: The manager.
        uses_history: Whether the strategy uses the history. If so, a text without one gives an empty one; if
            not, the history is left out.

    Returns:
        None if the text is of another version, of another manager, or of another program. The partition then
        begins a new account, which exceeds no budget.
    """
    try:
        values = json.loads(text)
        if values["v"] != STATE_VERSION or values["manager"] != name:
            return None
        account = manager.decode(values["state"])
        spent = Account.decode(values["spent"]) if "spent" in values else Account()
        credit = Credit.decode(values["second"]) if "second" in values else Credit()
        history = History.decode(values["memory"]) if "memory" in values else History()
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return State(account, spent, history if uses_history else None, credit)
