"""The laws of leased queries: each is shown once, held while it is shown, and given back."""

from __future__ import annotations

import asyncio
from math import inf
from time import monotonic

import httpx
import pytest

from stream_al.client import AsyncClient, Client, LeasedQuery, NotAllowed
from stream_al.client.exchange import Event, Pace, Pause, Plan
from stream_al.client.leases import MOST_AT_ONCE, Feed
from stream_al.client.operations import Operations
from stream_al.client.transport import Transport
from tests.client.label_server import LabelServer, problem
from tests.support.replica import DEADLINE_SECONDS

RIGHT, WRONG = "right", "wrong"
MANY = [f"q{n}" for n in range(70)]


def client_of(server: LabelServer, **more: object) -> Client:
    return Client(transport=server.transport(), **more)  # type: ignore[arg-type]  # options of a client


def test_every_query_comes_once_in_the_order_of_the_service() -> None:
    """Labelled, skipped or passed over; nothing is held at the end."""
    server = LabelServer(MANY)
    with client_of(server) as client:
        shown = []
        for query in client.queries(ahead=7):
            shown.append(query.id)
            if len(shown) % 3 == 0:
                client.skip(query)
            elif len(shown) % 3 == 1:
                client.label(query, "spam")
        assert shown == MANY
        assert not server.leases
    assert [label["id"] for label in server.labels] == [
        one for n, one in enumerate(MANY) if n % 3 < 1 or n % 3 == 2
    ]
    assert all(label["version"] == f"v-{label['id']}" for label in server.labels)


def test_a_query_whose_label_is_on_its_way_is_not_shown_again() -> None:
    """The service reads labels later than it takes them. As long as others are free, it is asked again."""
    server = LabelServer(MANY[:12])
    server.delayed = True

    def later(request: httpx.Request) -> httpx.Response:
        response = server.respond(request)
        if request.url.path == "/v1/leases":
            server.settle()
        return response

    shown = []
    with Client(transport=httpx.MockTransport(later)) as client:
        for query in client.queries(ahead=5):
            shown.append(query.id)
            client.label(query, "spam")
    assert shown == MANY[:12]


@pytest.mark.parametrize("ahead", [1, 5])
def test_a_label_that_is_never_read_keeps_no_other_query_back(ahead: int) -> None:
    """The service may refuse it later, or read no labels for hours: the loop goes on, and ends."""
    server = LabelServer(MANY[:12], lease_seconds=1e9)
    feed, transport = feed_of(server, ahead)
    shown: list[str] = []
    while (query := found(feed.next(0.0), server, transport)) is not None:
        shown.append(query.id)
        feed.done(query.id)  # and the query stays pending
    assert shown == MANY[:12]
    transport.close()


def found(plan: Plan[LeasedQuery | None], server: LabelServer, transport: Transport) -> LeasedQuery | None:
    """What a plan finds; its pauses pass by the clock of the server."""
    event: Event = None
    while True:
        assert len(server.seen) < 3000, "it looks for queries forever"
        try:
            step = plan.send(event)
        except StopIteration as ended:
            query: LeasedQuery | None = ended.value
            return query
        if isinstance(step, Pause):
            server.now, event = server.now + step.seconds, None
        else:
            event = transport._attempt(step)


def test_a_query_that_got_its_label_before_it_was_shown_is_not_shown() -> None:
    """Such as by `send_labels`, while it is leased ahead."""
    server = LabelServer(MANY[:6])
    with client_of(server) as client:
        queries = client.queries(ahead=6)
        assert next(queries).id == MANY[0]
        client.send_labels({"id": one, "label": "spam"} for one in MANY[:5])
        assert [one.id for one in queries] == MANY[5:6]


def test_at_most_fifty_queries_are_passed_over() -> None:
    """They stay leased, so that the rest comes; and they are given back at the end."""
    server = LabelServer(MANY)
    with client_of(server) as client:
        assert len(list(client.queries())) == MOST_AT_ONCE
    assert not server.leases


def fail_at_the_first(client: Client) -> None:
    for _ in client.queries():
        raise ZeroDivisionError


@pytest.mark.parametrize("leave", ["break", "close", "raise"])
def test_leaving_gives_back_what_is_held(leave: str) -> None:
    server = LabelServer(MANY)
    client = client_of(server)
    if leave == "raise":
        with pytest.raises(ZeroDivisionError):
            fail_at_the_first(client)
    elif leave == "break":
        for _ in client.queries():
            break
    else:
        loop = client.queries()
        next(loop)
        assert server.leases
        client.close()
    assert not server.leases


async def test_leaving_gives_back_what_is_held_on_an_event_loop() -> None:
    server = LabelServer(MANY)
    async with AsyncClient(transport=server.transport()) as client:
        shown = [query.id async for query in client.queries(ahead=3)]
        assert shown == MANY[:MOST_AT_ONCE]
        assert not server.leases
        async for _ in client.queries():
            break
    assert not server.leases


def test_two_clients_never_have_the_same_query() -> None:
    server = LabelServer(MANY[:10])
    with client_of(server) as one, client_of(server) as other:
        pairs = list(zip(one.queries(ahead=2), other.queries(ahead=2), strict=False))
    assert len({query.id for pair in pairs for query in pair}) == 2 * len(pairs) >= 10 - 2


def test_a_client_goes_on_with_the_queries_of_its_holder() -> None:
    server = LabelServer(MANY)
    with client_of(server, holder="me") as client:
        first = client.lease(3)
    assert (first.pending, first.free) == (70, 67)
    with client_of(server, holder="me") as client:
        assert [query.lease for query in client.lease(3)] == [query.lease for query in first.leases]
        client.renew(first.leases[0])
        client.release(first.leases[0])
        client.release(first.leases[0])  # once more is harmless
    assert len(server.leases) == 2


async def test_leases_of_an_earlier_client_are_renewed_at_once() -> None:
    """Nobody knows how near they are to their end."""
    server = LabelServer(MANY)
    with client_of(server, holder="me") as client:
        client.lease(2)
    with client_of(server, holder="me") as client:
        for _ in client.queries(ahead=2):
            await until(lambda: sum(one.startswith("PUT") for one in server.seen) == 2)
            break


def test_a_service_that_does_not_say_how_long_a_lease_lives_is_taken_as_the_default() -> None:
    for reply in (problem(404, "none"), httpx.Response(200, json={"lease_seconds": "x"})):
        server = LabelServer(["q1"])
        feed, transport = feed_of(server)
        server.script.append(reply)
        assert transport.run(feed.next(0.0)) is not None
        for now, renewals in ((149.0, 0), (150.0, 1)):
            server.now = now
            transport.run(feed.keep())
            assert server.seen.count("PUT /v1/leases/lease-1") == renewals
        transport.close()


async def until(condition: object) -> None:
    end = monotonic() + DEADLINE_SECONDS
    while not condition():  # type: ignore[operator]
        assert monotonic() < end
        await asyncio.sleep(0.01)


async def test_leases_are_renewed_while_a_query_is_thought_about() -> None:
    """By both clients, in the background."""
    server = LabelServer(MANY[:3], lease_seconds=0.5)
    with client_of(server) as client:
        for query in client.queries():
            await until(lambda: server.seen.count("PUT /v1/leases/lease-1") > 1)
            client.label(query, "spam")
            break
    server.seen.clear()
    async with AsyncClient(transport=server.transport()) as other:
        async for query in other.queries():
            await until(lambda lease=query.lease: server.seen.count(f"PUT /v1/leases/{lease}") > 1)
            break


def feed_of(server: LabelServer, ahead: int = 2) -> tuple[Feed, Transport]:
    """A feed whose time is that of the server."""
    from stream_al.client.connection import Connection  # noqa: PLC0415

    operations = Operations(Pace(DEADLINE_SECONDS, lambda: server.now, lambda: 0.0), "me")
    return Feed(operations, ahead), Transport(Connection("http://localhost"), server.transport())


def test_a_lease_is_renewed_when_half_of_its_time_is_over() -> None:
    """The service says how long it lives; no two clocks have to agree."""
    server = LabelServer(["q1"], lease_seconds=300)
    feed, transport = feed_of(server)
    assert transport.run(feed.next(0.0)) is not None
    for now, renewals in ((149.0, 0), (150.0, 1), (299.0, 1), (300.0, 2)):
        server.now = now
        transport.run(feed.keep())
        assert server.seen.count("PUT /v1/leases/lease-1") == renewals
    transport.close()


def test_a_query_whose_lease_was_lost_before_it_was_shown_is_not_shown() -> None:
    """Somebody else has it, perhaps."""
    server = LabelServer(["q1", "q2"], lease_seconds=300)
    feed, transport = feed_of(server)
    first = transport.run(feed.next(0.0))
    assert first
    assert first.id == "q1"
    server.now = 200.0
    server.leases = {"lease-1": server.leases["lease-1"], "lease-9": ("q2", "another", 900.0)}
    transport.run(feed.keep())
    assert feed.held == ["lease-1"]
    assert transport.run(feed.next(0.0)) is None
    transport.close()


def test_what_cannot_be_renewed_or_given_back_is_said_and_ends_by_itself() -> None:
    server = LabelServer(["q1"], lease_seconds=300)
    feed, transport = feed_of(server)
    transport.run(feed.next(0.0))
    server.now = 200.0
    server.script += (httpx.Response(500) for _ in range(2))
    assert "not renewed" in transport.run(feed.keep())[0]
    assert feed.held
    assert "not given back" in transport.run(feed.give_back())[0]
    assert not feed.held
    transport.close()


def test_a_response_that_cannot_be_read_ends_no_renewal() -> None:
    """As from a proxy that fails once: the thread that renews would end, and all leases with it, unsaid."""
    server = LabelServer(["q1"], lease_seconds=300)
    feed, transport = feed_of(server)
    transport.run(feed.next(0.0))
    server.now = 200.0
    torn = {"content-encoding": "gzip"}
    server.script.append(httpx.Response(200, headers=torn, content=iter([b"no gzip"])))
    assert "not renewed" in transport.run(feed.keep())[0]
    assert transport.run(feed.keep()) == []
    assert feed.held
    transport.close()


def test_a_client_waits_for_queries_as_long_as_it_is_told() -> None:
    server = LabelServer()
    feed, transport = feed_of(server)
    for seconds, looks in ((0.0, 1), (1.25, 4)):
        began, server.seen = server.now, []
        assert found(feed.next(seconds), server, transport) is None
        assert (server.now - began, server.seen.count("POST /v1/leases")) == (seconds, looks)
    transport.close()
    with client_of(server) as client:
        assert list(client.queries()) == list(client.queries(wait=0.01)) == []
        server.pending = LabelServer(["late"]).pending
        loop = client.queries(wait=inf)
        assert next(loop).id == "late"
        loop.close()  # type: ignore[attr-defined]  # a generator


def test_a_token_without_the_right_is_said_at_once() -> None:
    server = LabelServer(["q1"])
    server.required = RIGHT
    with client_of(server, token=WRONG) as client, pytest.raises(NotAllowed):
        next(iter(client.queries()))
