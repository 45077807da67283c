"""Connections: how many are open, and how long one may keep us waiting.

uvicorn limits none of the following, and anybody who reaches the port can do all of them without a token.

    a connection that sends nothing, or the head of a request byte by byte
    one that never ends its TLS handshake, or takes nothing of its response
    so many that the process can open no more files: then Kafka and the snapshots fail too, and asyncio logs
        each failed accept with a traceback, 59 MB in 80 s
    bytes that are no HTTP: one line in the log for each

So a connection that waits for its client ends after a time. If all are in use, the one that has waited
longest makes room for a new one: idle ones never keep others out, and no request that has come is lost. What
a client does wrong is told to the client and not to the log.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import select
import socket
from collections import OrderedDict
from contextlib import suppress
from itertools import islice
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from stream_al.service.http.access.guard import secured
from stream_al.service.http.schemas import problem

__all__ = ["BACKLOG", "Connection", "Listener", "Waiting", "most_connections"]

BACKLOG = 100
"""The connections that the system keeps for us, and the most that are accepted in one turn of the loop."""

LOOKED_AT = 16
"""The connections that are looked at to find one that makes room for another."""

ENDED = getattr(select, "POLLRDHUP", 0)  # Linux has it
"""The event of a connection whose client sends no more."""

quiet = logging.getLogger("stream_al.http.connections")
quiet.setLevel(logging.ERROR)  # uvicorn warns of what a client does wrong


def most_connections(wanted: int) -> int:
    """The limit of open connections: what is wanted, and at most half the files that the process may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(1, min(wanted, files // 2))


class Waiting:
    """The connections that wait for their clients, the longest wait first.

    Args:
        seconds: How long a connection may wait.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._timers: OrderedDict[Connection, asyncio.TimerHandle] = OrderedDict()

    def enter(self, connection: Connection) -> None:
        """Let a connection wait, if it does not wait already."""
        if connection not in self._timers:
            left = connection.transport.get_write_buffer_size()
            timer = asyncio.get_running_loop().call_later(self.seconds, self._over, connection, left)
            self._timers[connection] = timer

    def leave(self, connection: Connection) -> None:
        """Let a connection wait no longer."""
        if timer := self._timers.pop(connection, None):
            timer.cancel()

    def end_longest(self) -> bool:
        """End the connection that has waited longest; return whether there was one.

        One whose next bytes have come is passed over: its request was sent in time, and only not read yet.
        At most `LOOKED_AT` are looked at, so that a flood of bytes does not make this slow.
        """
        if not self._timers:
            return False
        oldest = list(islice(self._timers, LOOKED_AT))
        connection = next((one for one in oldest if not has_bytes(one.transport)), oldest[0])
        self.leave(connection)
        connection.transport.abort()
        return True

    def _over(self, connection: Connection, before: int) -> None:
        """End a connection, unless its client has taken some of what was left for it."""
        self.leave(connection)
        if connection.transport.get_write_buffer_size() < before:
            self.enter(connection)
        else:
            connection.transport.abort()


def has_bytes(transport: asyncio.Transport) -> bool:
    """Whether bytes have come on a connection that were not read yet; its end is none."""
    waits = select.poll()
    waits.register(transport.get_extra_info("socket").fileno(), select.POLLIN | ENDED)
    return [events for _, events in waits.poll(0)] == [select.POLLIN]


class Listener(socket.socket):
    """A listening socket whose open connections are limited.

    Args:
        family: The family of the address.
        limit: The most open connections.
        waiting: Those of them that make room for another one.
    """

    def __init__(self, family: socket.AddressFamily, limit: int, waiting: Waiting) -> None:
        # asyncio sets TCP_NODELAY only on a socket whose protocol is given as TCP. Without it the end of a
        # response waits 40 ms for the client's ACK.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.limit = limit
        self.waiting = waiting
        self._accepted: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """A new connection. Raises ConnectionAbortedError if no connection makes room for it."""
        connection, address = super().accept()
        if len(self._accepted) >= self.limit:
            self._accepted = [one for one in self._accepted if one.fileno() >= 0]
        if len(self._accepted) >= self.limit and not self.waiting.end_longest():
            connection.close()
            raise ConnectionAbortedError  # asyncio passes over it
        self._accepted.append(connection)
        return connection, address


class Connection(H11Protocol):
    """A connection that ends when its client keeps it waiting.

    It waits from its begin, and from each response, until the head of a request is complete; and while its
    client does not take the response. The body of a request has its own limit (`access.guard.BodyLimit`).
    """

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], waiting: Waiting
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.logger = quiet
        self.waiting = waiting

    def _settle(self) -> None:
        """Wait for the client, unless it has asked for a response and takes it."""
        cycle: RequestResponseCycle | None = self.cycle
        asked = cycle is not None and not cycle.response_complete
        if asked and not self.flow.write_paused:
            self.waiting.leave(self)
        else:
            self.waiting.enter(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.waiting.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; the head of a request may be complete now."""
        super().data_received(data)
        self._settle()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is here already."""
        super().on_response_complete()
        self._settle()

    def pause_writing(self) -> None:
        """Wait for the client to take the response."""
        super().pause_writing()
        self._settle()

    def resume_writing(self) -> None:
        """Go on with the response."""
        super().resume_writing()
        self._settle()

    def send_400_response(self, msg: str) -> None:
        """Respond to what is no HTTP, and end the connection."""
        response = problem(400, "Bad Request", msg, headers={"Connection": "close"})
        headers = secured(response.raw_headers)
        with suppress(h11.LocalProtocolError):  # a response is under way: it cannot be told
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
