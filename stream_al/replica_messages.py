"""The messages that replicas send each other, on the topics `control` and `leases`.

`messages` says how records are read, and what holds for each of them.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import MAX_VERSION_CHARACTERS, Offset, Person, Short

__all__ = [
    "MAX_LEASE_SECONDS",
    "MAX_RANGES",
    "ByHand",
    "Lease",
    "RuntimeBudget",
    "RuntimeModel",
    "RuntimeSettings",
]

MAX_RANGES = 100
MAX_LEASE_SECONDS = 86_400

Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
Version: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_VERSION_CHARACTERS)]


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
    changed_at: Short
    by: Person | None = None


class RuntimeModel(msgspec.Struct, frozen=True, omit_defaults=True, rename={"excluded": "voided"}):
    """The examples that are excluded from the model. The newest record replaces all earlier ones.

    Attributes:
        excluded: Ranges of offsets of the examples, each from its first offset up to, but not including, its
            second one.
        changed_at: The time of the change, by the clock of the replica that received it.
        by: The name of the token that the change was requested with; None if no token was needed.
    """

    excluded: Annotated[list[tuple[Offset, Offset]], msgspec.Meta(max_length=MAX_RANGES)]
    changed_at: Short
    by: Person | None = None


class ByHand(msgspec.Struct, frozen=True, omit_defaults=True):
    """A label that a person asks for by hand, until the budget has paid for it. A null ends it.

    Attributes:
        id: The id of the sample; or that of the query, where another annotator is wanted.
        asked_at: The time of the request, by the clock of the replica that received it.
        by: The name of the token that it was requested with; None if no token was needed.
    """

    id: Text
    asked_at: Short
    by: Person | None = None


class Lease(msgspec.Struct, frozen=True, omit_defaults=True):
    """A query is kept for one person for a while, so that no other one labels it too.

    Attributes:
        lease: The id of the lease, and the key of the record. A record without a value ends the lease.
        id: The id of the query.
        version: The version of the query.
        holder: Who holds it: a session of a labelling tool.
        seconds: How long it lives after the timestamp of this record, in log time.
        annotator: The name of the annotator; null if it is not known.
        via: The name of the HTTP token that asked for it; null if no token did.
        second_of: As in the query.
        until: Present if the record renews the lease: the log time up to which it lived before, in
            milliseconds since 1970.
    """

    lease: Text
    id: Text
    version: Version
    holder: Text
    seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_LEASE_SECONDS)]
    annotator: Text | None = None
    via: Text | None = None
    second_of: Text | None = None
    until: Offset | None = None
