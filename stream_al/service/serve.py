"""Serve: one process with all three loops and HTTP on one event loop."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket

import structlog
import uvicorn

from stream_al.errors import Misconfigured
from stream_al.logs import configure
from stream_al.service.app import App
from stream_al.service.broker.kafka import Kafka
from stream_al.service.certificates import server_context
from stream_al.service.http.api import api
from stream_al.settings import HTTPSettings, Settings
from stream_al.settings.checks import is_loopback

__all__ = ["serve", "serving"]

log = structlog.get_logger(__name__)

YOUNG_OBJECTS = 50_000


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    configure(settings)
    _spare_the_collector()
    asyncio.run(_serve(settings))


def _spare_the_collector() -> None:
    """Look for cycles seldom, and never among what was imported.

    A batch makes thousands of objects, none of them in a cycle. Python looks for cycles after every 700 new
    ones, time and again among all that River brings along: a fifth of the time that a sample took.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def _serve(settings: Settings) -> None:
    app = App(settings, Kafka(settings))
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, app.stopping.set)
    await serving(app)


async def serving(app: App) -> None:
    """Run an application together with its HTTP server; HTTP is up first and down last."""
    settings = app.settings.http
    if not settings.enabled:
        await app.run()
        return
    config = uvicorn.Config(
        api(app),
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=2,
        access_log=False,
        proxy_headers=False,  # what a client says about its address is not to be believed
        server_header=False,
    )
    config.load()
    config.ssl = server_context(settings)
    bound = _bind(settings.host, settings.port)
    app.port = bound.getsockname()[1]
    server = _Server(config)
    log.info("listening", host=settings.host, port=app.port, tls=config.ssl is not None)
    _warn(settings)
    web = asyncio.create_task(server.serve(sockets=[bound]), name="http")
    try:
        await app.run()
    finally:
        server.should_exit = True
        await web


def _warn(settings: HTTPSettings) -> None:
    """Say what may be meant so, and may be an oversight."""
    if is_loopback(settings.host):
        return
    if settings.open:
        log.warning("open to all", host=settings.host, remedy="set http.admin_tokens or http.tokens_file")
    elif not settings.ssl_certfile:
        log.warning(
            "tokens are sent in the clear",
            remedy="set http.ssl_certfile, or see that TLS ends in a proxy next to this process",
        )


class _Server(uvicorn.Server):
    """Leaves signals to the application, which stops in an order of its own."""

    def install_signal_handlers(self) -> None:
        """None."""

    def capture_signals(self):  # type: ignore[no-untyped-def]
        """None."""
        from contextlib import nullcontext  # noqa: PLC0415

        return nullcontext()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Told that it is TCP, asyncio sends at once; else the end of an answer waits 40 ms for the client's ACK.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
        raise Misconfigured(
            f"http.port: {host}:{port} {why}; write another one, or 0 for any that is free"
        ) from None
    return bound
