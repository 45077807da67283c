"""The laws of requests: when one is repeated, how long it may take, and what its error says."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import httpx
import pytest

from stream_al.client import (
    AsyncClient,
    Client,
    ClientError,
    LeaseOver,
    NotAllowed,
    Overloaded,
    Refused,
    Unreachable,
)
from stream_al.client.exchange import Attempt, Event, Failure, Pace, Pause, Plan, Request, Response, call
from stream_al.errors import StreamAlError
from tests.client.label_server import LabelServer

LOST = Failure("it broke", sent=True)
NOT_SENT = Failure("no connection", sent=False)
CANARY, WRONG = "canary-0123456789", "wrong"
GOOD = Response(200, b"{}")


class Time:
    """A clock that a plan moves by its pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []


def carried_out(plan: Plan[Any], clock: Time, *events: Event, attempt_seconds: float = 0.1) -> Any:
    """Carry out a plan with given events, the last of them again and again; its result."""
    given, event = list(events), None
    while True:
        try:
            step = plan.send(event)
        except StopIteration as ended:
            return ended.value
        if isinstance(step, Pause):
            clock.pauses.append(step.seconds)
            clock.now += step.seconds
            event = None
        else:
            assert isinstance(step, Attempt)
            clock.now += attempt_seconds
            event = given.pop(0) if len(given) > 1 else given[0]


def exchanged(*events: Event, repeatable: bool = True, seconds: float = 30.0) -> tuple[Any, Time]:
    clock = Time()
    pace = Pace(seconds, lambda: clock.now, lambda: 0.0)
    return carried_out(call(Request("POST", "/v1/samples", b"[]", repeatable), pace), clock, *events), clock


@pytest.mark.parametrize("event", [LOST, *(Response(code, b"") for code in (408, 502, 503, 504))])
def test_what_may_have_had_its_effect_is_repeated_only_if_that_is_harmless(event: Event) -> None:
    response, clock = exchanged(event, event, GOOD)
    assert response is GOOD
    assert len(clock.pauses) == 2
    with pytest.raises(ClientError):
        exchanged(event, GOOD, repeatable=False)


@pytest.mark.parametrize("event", [NOT_SENT, Response(429, b"")])
def test_what_had_no_effect_is_always_repeated(event: Event) -> None:
    assert exchanged(event, GOOD, repeatable=False)[0] is GOOD


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500])
def test_what_would_fail_again_is_not_repeated(status: int) -> None:
    with pytest.raises(ClientError):
        exchanged(Response(status, b""), GOOD)


def test_pauses_grow_up_to_a_bound_and_end_before_the_deadline() -> None:
    clock = Time()
    pace = Pace(60.0, lambda: clock.now, lambda: 0.0)
    with pytest.raises(Unreachable, match="it broke"):
        carried_out(call(Request("GET", "/"), pace), clock, LOST)
    assert clock.pauses[:3] == [0.1, 0.2, 0.4]
    assert max(clock.pauses) == 2.5
    assert 50 < clock.now <= 60


def test_the_service_says_how_long_to_wait() -> None:
    _, clock = exchanged(Response(429, b"", {"retry-after": "7"}), GOOD)
    assert clock.pauses == [7.0]
    with pytest.raises(Overloaded):
        exchanged(Response(429, b"", {"retry-after": "31"}), GOOD)
    for nonsense in ("soon", "nan", "inf", "-1"):
        assert exchanged(Response(429, b"", {"retry-after": nonsense}), GOOD)[0] is GOOD


@pytest.mark.parametrize(
    ("status", "path", "kind"),
    [
        *((401, "/v1/labels", NotAllowed), (403, "/v1/labels", NotAllowed)),
        *((422, "/v1/labels", Refused), (404, "/v1/leases", Refused)),
        *((409, "/v1/leases/l", LeaseOver), (404, "/v1/leases/l", LeaseOver)),
        *((500, "/v1/labels", Overloaded), (503, "/v1/labels", Overloaded)),
    ],
)
def test_an_error_says_who_must_act_in_the_words_of_the_service(
    status: int, path: str, kind: type[ClientError]
) -> None:
    """Without control characters, and bounded, because the words may be those of a stranger."""
    clock = Time()
    body = b'{"detail": "do \\u001b[2J this", "reason": "bad_fields", "mistakes": ["a", "b"]}'
    with pytest.raises(ClientError) as raised:
        carried_out(
            call(Request("PUT", path), Pace(0.1, lambda: clock.now, lambda: 0.0)),
            clock,
            Response(status, body),
        )
    error = raised.value
    assert type(error) is kind
    assert isinstance(error, StreamAlError)
    assert str(error).partition(";")[0] == "do \\x1b[2J this"
    assert ("STREAM_AL_CLIENT_TOKEN" in str(error)) == (status == 401)
    assert (error.status, error.reason, error.mistakes) == (status, "bad_fields", ("a", "b"))
    with pytest.raises(kind) as raised:
        carried_out(
            call(Request("PUT", path), Pace(0.1, lambda: clock.now, lambda: 0.0)),
            clock,
            Response(status, b"<html>"),
        )
    assert str(status) in str(raised.value)


def test_a_response_of_another_server_is_an_error() -> None:
    server = LabelServer()
    server.script.append(httpx.Response(200, text="<html>"))
    with (
        Client(transport=server.transport()) as client,
        pytest.raises(ClientError, match="check the address"),
    ):
        client.status()


class Slow(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that trickles."""

    def __iter__(self) -> Any:
        for _ in range(1000):
            time.sleep(0.01)
            yield b" "

    async def __aiter__(self) -> Any:
        import asyncio  # noqa: PLC0415

        for _ in range(1000):
            await asyncio.sleep(0.01)
            yield b" "


async def test_a_deadline_holds_for_the_whole_of_a_response() -> None:
    """A server that sends a byte now and then holds nobody up."""
    server = LabelServer()
    server.script += (httpx.Response(200, stream=Slow()) for _ in range(2))
    with (
        Client(transport=server.transport(), timeout=0.2) as client,
        pytest.raises(Unreachable, match=r"0\.2 s"),
    ):
        client.status()
    async with AsyncClient(transport=server.transport(), timeout=0.2) as other:
        with pytest.raises(Unreachable, match=r"0\.2 s"):
            await other.status()


async def test_a_response_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_al.client.transport.MAX_RESPONSE_BYTES", 100)
    server = LabelServer()
    server.script += (httpx.Response(200, content=b" " * 101) for _ in range(2))
    with Client(transport=server.transport()) as client, pytest.raises(ClientError, match="100 bytes"):
        client.status()
    async with AsyncClient(transport=server.transport()) as other:
        with pytest.raises(ClientError, match="100 bytes"):
            await other.status()


def test_a_service_that_is_away_is_a_sentence_with_its_address() -> None:
    with Client("http://127.0.0.1:1", timeout=0.1) as client, pytest.raises(Unreachable) as raised:
        client.status()
    assert str(raised.value).startswith("http://127.0.0.1:1 ")


def test_waiting_until_ready_ends_with_what_the_service_lacks() -> None:
    server = LabelServer()
    server.script += [httpx.ConnectError("away"), httpx.Response(503, text="not ready: starting")]
    with Client(transport=server.transport()) as client:
        client.wait_until_ready(20)
        assert server.seen == ["GET /readyz"] * 3
        server.script += (httpx.Response(503, text="not ready: starting") for _ in range(50))
        with pytest.raises(Overloaded, match="not ready: starting"):
            client.wait_until_ready(0.3)


def test_a_token_is_sent_and_shows_nowhere() -> None:
    server = LabelServer()
    server.required = CANARY
    with Client(transport=server.transport(), token=CANARY) as client:
        client.status()
        assert CANARY not in repr(vars(client._session.connection)["url"]) + repr(client._session.connection)
    with (
        Client(transport=server.transport(), token=WRONG) as client,
        pytest.raises(NotAllowed, match="send a token"),
    ):
        client.status()


def test_a_redirection_is_not_followed_since_the_token_would_go_along() -> None:
    """Nor is it taken for success: the label that was sent is nowhere."""
    server = LabelServer()
    server.script += (
        httpx.Response(307, headers={"location": "http://elsewhere/v1/status"}) for _ in range(2)
    )
    with Client(transport=server.transport(), token=CANARY) as client:
        for send in (client.status, partial(client.correct, "a", "spam")):
            with pytest.raises(ClientError, match="no redirection is followed"):
                send()
    assert len(server.seen) == 2


async def test_a_body_that_is_not_what_its_head_says_is_an_error_of_ours() -> None:
    server = LabelServer()
    spoilt = {"content-encoding": "gzip"}
    server.script += (httpx.Response(200, headers=spoilt, stream=Plain()) for _ in range(2))
    with (
        Client(transport=server.transport()) as client,
        pytest.raises(ClientError, match="cannot be read"),
    ):
        client.status()
    async with AsyncClient(transport=server.transport()) as other:
        with pytest.raises(ClientError, match="cannot be read"):
            await other.status()


class Plain(httpx.SyncByteStream, httpx.AsyncByteStream):
    """What is not compressed."""

    def __iter__(self) -> Any:
        yield b"{}"

    async def __aiter__(self) -> Any:
        yield b"{}"
