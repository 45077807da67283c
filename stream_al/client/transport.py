"""Transports: they carry out the steps of plans (`client.exchange`), blocking or not, and decide nothing.

A response is read in pieces, so that it has a largest size, and so that its deadline holds for the whole of
it. The limits of httpx hold for each piece alone.

The two transports differ by `await` alone, so the lines around it stand here twice. What both need is
written once, below them.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from stream_al.client.connection import Connection
from stream_al.client.errors import ClientError
from stream_al.client.exchange import Attempt, Event, Failure, Pause, Plan, Request, Response, Step
from stream_al.errors import Misconfigured

try:
    import httpx
except ImportError:  # an extra
    if not TYPE_CHECKING:
        httpx = None

__all__ = ["AsyncTransport", "Transport"]

MAX_RESPONSE_BYTES = 64_000_000
KEPT = ("content-type", "retry-after")
"""The headers that plans read."""

T = TypeVar("T")


class Transport:
    """Carries out plans, and blocks meanwhile. Several threads may use it.

    Args:
        connection: How to reach the service.
        inner: What sends requests in place of the network, for tests.
    """

    def __init__(self, connection: Connection, inner: httpx.BaseTransport | None = None) -> None:
        self.connection = connection
        self._http = _needed().Client(transport=inner, **_options(connection))

    def run(self, plan: Plan[T]) -> T:
        """Carry out a plan. Raises what the plan raises."""
        event: Event | ClientError = None
        with closing(plan):
            while True:
                try:
                    step = _next(plan, event)
                except StopIteration as ended:
                    result: T = ended.value
                    return result
                event = None
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    continue
                try:
                    event = self._attempt(step)
                except ClientError as error:
                    event = error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _attempt(self, step: Attempt) -> Event:
        deadline = time.monotonic() + step.seconds
        try:
            with self._http.stream(**_request(step)) as response:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += _checked(piece, body)
                    if time.monotonic() > deadline:
                        return _late(self.connection, step)
                return _response(response, body)
        except httpx.RequestError as error:
            return _failure(self.connection, error)


class AsyncTransport:
    """Carries out plans on the event loop.

    Args:
        connection: How to reach the service.
        inner: What sends requests in place of the network, for tests.
    """

    def __init__(self, connection: Connection, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self.connection = connection
        self._http = _needed().AsyncClient(transport=inner, **_options(connection))

    async def run(self, plan: Plan[T]) -> T:
        """Carry out a plan. Raises what the plan raises."""
        event: Event | ClientError = None
        with closing(plan):
            while True:
                try:
                    step = _next(plan, event)
                except StopIteration as ended:
                    result: T = ended.value
                    return result
                event = None
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    continue
                try:
                    event = await self._attempt(step)
                except ClientError as error:
                    event = error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _attempt(self, step: Attempt) -> Event:
        try:
            async with asyncio.timeout(step.seconds), self._http.stream(**_request(step)) as response:
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += _checked(piece, body)
                return _response(response, body)
        except TimeoutError:
            return _late(self.connection, step)
        except httpx.RequestError as error:
            return _failure(self.connection, error)


def _next(plan: Plan[T], event: Event | ClientError) -> Step:
    """Send an event into a plan; its next step. An error is raised there: the plan may go on with others."""
    return plan.throw(event) if isinstance(event, ClientError) else plan.send(event)


def _needed() -> Any:
    """The module of the HTTP library. Raises Misconfigured if it is not installed."""
    if httpx is None:
        raise Misconfigured('the client needs its HTTP library: pip install "stream_al[client]"')
    return httpx


def _options(connection: Connection) -> dict[str, Any]:
    return {
        "base_url": connection.url,
        "headers": connection.headers(),
        "verify": connection.trust(),
        "trust_env": not connection.local,
    }


def _request(step: Attempt) -> dict[str, Any]:
    one: Request = step.request
    seconds = max(step.seconds, 0.001)  # httpx takes 0 for an error of its own
    return {"method": one.method, "url": one.path, "content": one.body, "timeout": seconds}


def _checked(piece: bytes, before: bytearray) -> bytes:
    if len(piece) + len(before) > MAX_RESPONSE_BYTES:
        raise ClientError(f"the response has more than {MAX_RESPONSE_BYTES:,} bytes, so it is not read")
    return piece


def _response(response: httpx.Response, body: bytearray) -> Response:
    headers = {name: response.headers[name] for name in KEPT if name in response.headers}
    return Response(response.status_code, bytes(body), headers)


def _late(connection: Connection, step: Attempt) -> Failure:
    return Failure(f"{connection.url} did not respond within {step.seconds:.1f} s", sent=True)


def _failure(connection: Connection, error: httpx.RequestError) -> Failure:
    """Why there was no response. Only an error of connecting says that nothing was sent.

    Raises:
        ClientError: There was one, and it is not what its head says, as of another server.
    """
    if not isinstance(error, httpx.TransportError):
        raise ClientError(
            f"{connection.url} sent a response that cannot be read ({error}): check the address"
        ) from None
    sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    if isinstance(error, httpx.TimeoutException):
        return Failure(f"{connection.url} did not respond in time", sent)
    return Failure(f"{connection.url} cannot be reached ({str(error) or type(error).__name__})", sent)
