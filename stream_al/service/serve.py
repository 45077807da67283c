"""Serve: one process that runs the three loops and HTTP on one event loop."""

from __future__ import annotations

import asyncio
import gc
import signal

import structlog
import uvicorn

from stream_al.logs import configure
from stream_al.service.app import App
from stream_al.service.broker.kafka import Kafka
from stream_al.service.certificates import server_context
from stream_al.service.http.api import api
from stream_al.service.http.connections import Waiting
from stream_al.service.http.server import HTTPServer, listen
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
    listener = listen(settings.host, settings.port, settings.max_connections, waiting)
    app.port = listener.getsockname()[1]
    server = HTTPServer(config, waiting)
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
