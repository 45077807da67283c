"""The HTTP server and its socket, with our limits on connections."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from stream_al.errors import Misconfigured
from stream_al.service.http.connections import BACKLOG, Connection, Listener, Waiting, most_connections

__all__ = ["HTTPServer", "listen"]


class HTTPServer(uvicorn.Server):
    """A server that handles no signals: the application does, and stops its parts in order.

    Args:
        config: The settings of uvicorn.
        waiting: The connections that wait for their clients.
    """

    def __init__(self, config: uvicorn.Config, waiting: Waiting) -> None:
        super().__init__(config)
        self.waiting = waiting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with our limits on connections."""
        await super().startup(sockets=[])
        config, seconds = self.config, self.waiting.seconds
        for listener in sockets or []:
            server = await asyncio.get_running_loop().create_server(
                lambda: Connection(config, self.server_state, self.lifespan.state, self.waiting),
                sock=listener,
                ssl=config.ssl,
                backlog=BACKLOG,
                ssl_handshake_timeout=seconds if config.ssl else None,
            )
            self.servers.append(server)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def listen(host: str, port: int, connections: int, waiting: Waiting, setting: str = "http.port") -> Listener:
    """A socket that listens at an address. Who connects before the server runs is served when it does.

    Args:
        host: The address.
        port: The port; 0 takes a free one.
        connections: Most open connections.
        waiting: The connections that wait for their clients.
        setting: What names the port, for the text of an error.

    Raises:
        Misconfigured: The address is in use, or cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = Listener(family, most_connections(connections), waiting)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # not by the server, since the port is told before that has started
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
        raise Misconfigured(
            f"{setting}: {host}:{port} {why}; write another one, or 0 for any free port"
        ) from None
    return listener
