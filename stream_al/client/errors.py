"""The errors of a client, divided by who must act.

    ClientError          nothing below fits, or the response is none of this service
    ├── Unreachable      nobody: there was no response before the deadline; try again later
    ├── Overloaded       nobody: the service or its broker cannot take the request now; try again later
    ├── NotAllowed       the user: the token is missing, unknown, or has no right to do this
    └── Refused          the caller: the request cannot be used as it is
        └── LeaseOver    the annotator: the lease of a query is over, or another's

The text is the sentence of the service (`detail` of its `application/problem+json`), if there is one.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_al.errors import StreamAlError

__all__ = ["ClientError", "LeaseOver", "NotAllowed", "Overloaded", "Refused", "Unreachable"]


class ClientError(StreamAlError):
    """A request that did not have its effect, as far as the client knows.

    Args:
        message: What is wrong, in a sentence.
        status: The status code of the response; None without a response.
        reason: Why a message cannot be used, in one word; empty if the service does not say.
        mistakes: One sentence for each mistake, if the service names several.

    Attributes:
        accepted: The number of records of the same call that the service had accepted before.
    """

    def __init__(
        self, message: str, *, status: int | None = None, reason: str = "", mistakes: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.mistakes = tuple(mistakes)
        self.accepted = 0


class Unreachable(ClientError):
    """There was no response before the deadline. The request may or may not have had its effect."""


class Overloaded(ClientError):
    """The service, or its broker, could not take the request before the deadline (429, 500 to 504)."""


class NotAllowed(ClientError):
    """The token is missing or unknown (401), or its role is not sufficient (403)."""

    exit_code = 2


class Refused(ClientError):
    """The request cannot be used (400 to 422). Nothing in it was accepted."""

    exit_code = 2

    @property
    def too_large(self) -> bool:
        """Whether the same records may be accepted in smaller requests."""
        return self.status == 413 or self.reason == "too_many_records"


class LeaseOver(Refused):
    """The lease of a query is over, or another's (404, 409). The query may be with another annotator."""
