"""What the service responds, as types. Unknown members are ignored, so that a newer service is read too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stream_al.messages import ClassLabel, ModelStamp, Prediction, Query

__all__ = ["Expected", "LeasePage", "LeasedQuery", "Predicted"]


class Predicted(msgspec.Struct, frozen=True):
    """The model's prediction.

    Attributes:
        label: The class; None while the model knows none, and where it fails on these features.
        probabilities: Class to probability, the class as text.
        model: The model that made it.
        failure: Why the model fails on these features; None if it does not.
    """

    label: ClassLabel | None
    probabilities: dict[str, float]
    model: ModelStamp
    failure: str | None = None


class Expected(msgspec.Struct, frozen=True):
    """What is expected to become of a label.

    Attributes:
        id: The id of the query.
        expected: labelled, skipped, expired, duplicate, conflict, unsolicited or unknown. The service decides
            when it reads the label.
    """

    id: str
    expected: str


class LeasedQuery(msgspec.Struct, frozen=True):
    """A query that nobody else gets while the lease lives.

    Attributes:
        lease: The id of the lease.
        id: The id of the query.
        expires_at: The time at which the lease ends if it is not renewed, by the clock of the broker.
        query: The whole query, as it stands on the topic.
        second: Whether another annotator has labelled the sample already. A second label is given blind.
    """

    lease: str
    id: str
    expires_at: str
    query: Query
    second: bool = False

    @property
    def features(self) -> dict[str, Any]:
        """The features of the sample."""
        return self.query.features

    @property
    def payload(self) -> Any:
        """What only the annotator needs; None if there is nothing."""
        return self.query.payload

    @property
    def prediction(self) -> Prediction:
        """The model's prediction. Who sees it before deciding, tends to agree with it."""
        return self.query.prediction


class LeasePage(msgspec.Struct, frozen=True):
    """The leases of one holder; iterating over it gives the queries.

    Attributes:
        leases: What the holder held already, then the most useful free queries.
        pending: The number of queries that wait for a label.
        free: The number of those that nobody holds.
    """

    leases: list[LeasedQuery]
    pending: int = 0
    free: int = 0

    def __iter__(self) -> Iterator[LeasedQuery]:
        """The leased queries, in the order of `leases`."""
        return iter(self.leases)

    def __len__(self) -> int:
        """How many are leased."""
        return len(self.leases)
