"""The exchange of requests and responses, without a network and without a clock.

An operation is a *plan*: a generator that yields steps and gets back what came of them. It opens no
connection and sleeps nowhere, so one plan serves the client that blocks and the one that does not.

    step      | what the transport does                          | what it sends back
    ----------|--------------------------------------------------|-------------------------------
    Attempt   | sends a request, waits at most so many seconds   | a Response, or a Failure
    Pause     | waits                                            | None

A response that cannot be read is an error, which the transport raises in the plan.

*Repetition.* A request is repeated until its deadline, with growing pauses, if that is harmless. It is always
harmless if the request did not reach the service (no connection, 429). Otherwise only if the request says so:
what has an id is recognised by the service, so a label that comes twice counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Any, TypeAlias, TypeVar

import msgspec

from stream_al.client.errors import ClientError, LeaseOver, NotAllowed, Overloaded, Refused, Unreachable
from stream_al.terminal import printable

__all__ = [
    "Attempt",
    "Event",
    "Failure",
    "Pace",
    "Pause",
    "Plan",
    "Request",
    "Response",
    "Step",
    "call",
    "read",
]

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
MAX_DETAIL_CHARACTERS = 2000
NOT_NOW = {408, 502, 503, 504}
"""Status codes of a request that may or may not have had its effect."""
LEASES = "/v1/leases/"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: GET, POST, PUT or DELETE.
        path: The path, with the query string.
        body: The body, JSON; None if there is none.
        repeatable: Whether it is harmless that the service gets it twice.
    """

    method: str
    path: str
    body: bytes | None = None
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """A response of any status. The names of the headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """There was no response.

    Attributes:
        message: Why, in a sentence.
        sent: Whether the service may have got the request.
    """

    message: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send a request, and wait for the response at most so many seconds."""

    request: Request
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Step: TypeAlias = Attempt | Pause
Event: TypeAlias = Response | Failure | None
Plan: TypeAlias = Generator[Step, Event, T]


@dataclass(frozen=True, slots=True)
class Pace:
    """The time that a request may take.

    Attributes:
        seconds: The deadline of a request, with all its repetitions.
        clock: Gives the time in seconds, from any moment on.
        jitter: Gives a number in [0, 1), so that many clients do not come back at the same moment.
    """

    seconds: float
    clock: Callable[[], float]
    jitter: Callable[[], float]


def call(request: Request, pace: Pace) -> Plan[Response]:
    """Send one request, and repeat it where that is harmless and may help.

    Returns:
        A response of a status from 200 to 299.

    Raises:
        ClientError: The last attempt has failed.
    """
    deadline = pace.clock() + pace.seconds
    for number in count():
        event = yield Attempt(request, max(0.0, deadline - pace.clock()))
        if isinstance(event, Response) and 200 <= event.status < 300:
            return event
        pause = _pause(number, event, pace.jitter())
        if not _may_repeat(request, event) or pace.clock() + pause >= deadline:
            raise _error(request, event)
        yield Pause(pause)
    raise AssertionError("unreachable")  # pragma: no cover - `count` does not end


def read(response: Response, kind: type[T]) -> T:
    """The body of a response as a type.

    Raises:
        ClientError: The body is not of this type, so it is not from this service.

    >>> read(Response(200, b'{"accepted": 2}'), dict[str, int])
    {'accepted': 2}
    """
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClientError(
            f"the response is none that this client understands ({error}): check the address, and that the "
            "service has the version of the client",
            status=response.status,
        ) from None


def _may_repeat(request: Request, event: Event) -> bool:
    if isinstance(event, Response):
        return event.status == 429 or (request.repeatable and event.status in NOT_NOW)
    return isinstance(event, Failure) and (request.repeatable or not event.sent)


def _pause(number: int, event: Event, jitter: float) -> float:
    """Seconds before the next attempt: what the service asks for, else twice as many each time."""
    grown = min(FIRST_PAUSE_SECONDS * 2.0 ** min(number, 30), LONGEST_PAUSE_SECONDS) * (0.5 + jitter / 2)
    asked = 0.0
    if isinstance(event, Response):
        with suppress(ValueError):
            asked = float(event.headers.get("retry-after", 0))
    return max(grown, asked) if asked < float("inf") else grown


class _Problem(msgspec.Struct):
    """An error as the service writes it (RFC 9457)."""

    title: str = ""
    detail: str | None = None
    reason: str = ""
    mistakes: list[str] = msgspec.field(default_factory=list)


def _error(request: Request, event: Event) -> ClientError:
    """The error of a request that is not repeated any more."""
    if not isinstance(event, Response):
        return Unreachable(event.message if event else "there was no response")
    problem = _Problem()
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = msgspec.json.decode(event.body, type=_Problem)
    words = problem.detail or problem.title or _phrase(event.status)
    if 300 <= event.status < 400:
        words += "; no redirection is followed, since the token would go along: give the client that address"
    if event.status == HTTPStatus.UNAUTHORIZED:
        words += "; give the client a token that the service knows: token, token_file, STREAM_AL_CLIENT_TOKEN"
    more: dict[str, Any] = {
        "status": event.status,
        "reason": problem.reason,
        "mistakes": tuple(problem.mistakes),
    }
    return _kind(request, event.status)(printable(words)[:MAX_DETAIL_CHARACTERS], **more)


def _kind(request: Request, status: int) -> type[ClientError]:
    if status in (401, 403):
        return NotAllowed
    if status == 429 or status >= 500 or status == 408:
        return Overloaded
    if status in (404, 409) and request.path.startswith(LEASES):
        return LeaseOver
    return Refused


def _phrase(status: int) -> str:
    try:
        return f"the response is {status}, {HTTPStatus(status).phrase}"
    except ValueError:
        return f"the response is {status}"
