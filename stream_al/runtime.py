"""The records of the topic `control`: what was changed while the service runs.

`stream_al.messages` reads and writes them, as it does all messages.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["MAX_OFFSET", "MAX_RANGES", "Offset", "RuntimeBudget", "RuntimeModel", "RuntimeSettings"]

MAX_RANGES = 100
MAX_OFFSET = 2**63 - 1

Offset = Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)]


class RuntimeBudget(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings under `budget` that were changed while the service runs. The others are as configured."""

    share: float | None = None
    exploration: float | None = None
    pending: int | None = None
    per_hour: int | None = None
    total: int | None = None


class RuntimeSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings that were changed while the service runs. The newest record replaces all earlier ones.

    Attributes:
        budget: The changed settings of the budget.
        changed_at: The time of the change, by the clock of the replica that received it.
        by: The name of the token that the change was requested with; None if no token was needed.
    """

    budget: RuntimeBudget
    changed_at: str
    by: str | None = None


class RuntimeModel(msgspec.Struct, frozen=True, omit_defaults=True, rename={"excluded": "voided"}):
    """The examples that are excluded from the model. The newest record replaces all earlier ones.

    Attributes:
        excluded: Ranges of offsets of the examples, each from its first offset up to, but not including, its
            second one.
        changed_at: The time of the change, by the clock of the replica that received it.
        by: The name of the token that the change was requested with; None if no token was needed.
    """

    excluded: Annotated[list[tuple[Offset, Offset]], msgspec.Meta(max_length=MAX_RANGES)]
    changed_at: str
    by: str | None = None
