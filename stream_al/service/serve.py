"""Serve: one process that runs the three loops and HTTP on one event loop."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from stream_al.errors import Misconfigured
from stream_al.logs import configure
from stream_al.service.app import App
from stream_al.service.broker.kafka import Kafka
from stream_al.service.certificates import server_context
from stream_al.service.http.api import api
from stream_al.service.http.connections import BACKLOG, Connection, Listener, Waiting, most_connections
from stream_al.settings import HTTPSettings, Settings
from stream_al.settings.checks import is_loopback

__all__ = ["serve", "serving"]

log = structlog.get_logger(__name__)

NEW_OBJECTS = 50_000  # between two runs of the garbage collector
HTTP_STOP_SECONDS = 2


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    configure(settings)
    _tune_garbage_collection()
    asyncio.run(_serve(settings))


def _tune_garbage_collection() -> None:
    """Let Python search for cycles rarely, and never among the objects of imported modules.

    A batch makes thousands of objects, none of which is in a cycle. By default Python starts a search after
    every 700 new objects, and from time to time it searches all objects of River too. That took a fifth of
    the time per sample.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


async def _serve(settings: Settings) -> None:
    app = App(settings, Kafka(settings))
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, app.stopping.set)
    await serving(app)


async def serving(app: App) -> None:
    """Run an application and its HTTP server. HTTP starts before the application and stops after it."""
    settings = app.settings.http
    if not settings.enabled:
        await app.run()
        return
    config = uvicorn.Config(
        api(app),
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=HTTP_STOP_SECONDS,
        access_log=False,
        proxy_headers=False,  # any client can write any address into these headers
        server_header=False,
        ws="none",  # there are no WebSockets
    )
    config.load()
    config.ssl = server_context(settings)
    waiting = Waiting(settings.header_seconds)
    listener = _listen(settings, waiting)
    app.port = listener.getsockname()[1]
    server = _Server(config, waiting)
    log.info("listening", host=settings.host, port=app.port, tls=config.ssl is not None)
    _warn_about_exposure(settings)
    web = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        await app.run()
    finally:
        server.should_exit = True
        await web


def _warn_about_exposure(settings: HTTPSettings) -> None:
    """Warn about settings that are safe in some networks only."""
    if is_loopback(settings.host):
        return
    if settings.open:
        log.warning(
            "anyone who reaches this address may do everything",
            host=settings.host,
            remedy="set http.admin_tokens or http.tokens_file",
        )
    elif not settings.ssl_certfile:
        log.warning(
            "tokens are sent without encryption",
            remedy="set http.ssl_certfile, or let a proxy next to this process do TLS",
        )


class _Server(uvicorn.Server):
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


def _listen(settings: HTTPSettings, waiting: Waiting) -> Listener:
    """A socket bound to an address. Raises Misconfigured."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = Listener(family, most_connections(settings.max_connections), waiting)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
        raise Misconfigured(
            f"http.port: {host}:{port} {why}; write another one, or 0 for any free port"
        ) from None
    return listener
