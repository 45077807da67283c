"""The command `stream-al label-studio`: the bridge as a process of its own."""

from __future__ import annotations

import asyncio
import secrets
import signal
from contextlib import suppress
from urllib.parse import urlsplit

import structlog

from stream_al.errors import StreamAlError
from stream_al.label_studio.bridge import Bridge
from stream_al.label_studio.client import Client
from stream_al.label_studio.listener import Served, listening
from stream_al.label_studio.project import Project, open_project
from stream_al.logs import configure
from stream_al.service.broker.kafka import Kafka
from stream_al.service.maintenance import opened
from stream_al.service.timing.backoff import Retries
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.settings import Settings
from stream_al.settings.checks import is_loopback

__all__ = ["run"]

log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    configure(settings)
    asyncio.run(_until_stopped(settings))


async def _until_stopped(settings: Settings) -> None:
    work = asyncio.create_task(_bridged(settings))
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, work.cancel)
    with suppress(asyncio.CancelledError):
        try:
            await work
        except ExceptionGroup as group:
            ours = group.subgroup(StreamAlError)
            if ours is None:
                raise
            raise ours.exceptions[0] from group
    log.info("stopped")


async def _bridged(settings: Settings) -> None:
    client = Client(settings.label_studio, settings.limits.deadline_seconds)
    address = urlsplit(client.url)
    if address.scheme == "http" and not is_loopback(address.hostname or ""):
        log.warning("the token is sent without encryption", remedy="give label_studio.url as https://...")
    if settings.label_studio.service_url is None:
        log.info(
            "changed annotations are contradictions, recorded and not learned",
            remedy="to let them correct labels, set label_studio.service_url",
        )
    else:
        log.info("changed annotations correct labels", service=settings.label_studio.service_url)
    topics = settings.topics
    try:
        async with opened(Kafka(settings), topics.queries, topics.labels, topics.examples) as broker:
            bridge = Bridge(settings, broker, client, SYSTEM_CLOCK)
            try:
                await _with_listener(settings, bridge)
            finally:
                await asyncio.shield(bridge.stop())
    finally:
        await client.close()


async def _with_listener(settings: Settings, bridge: Bridge) -> None:
    given = settings.label_studio
    secret = given.webhook_secret.get_secret_value() if given.webhook_secret else secrets.token_urlsafe(32)
    async with listening(settings, Served(bridge, secret, settings.http.body_seconds)) as port:
        log.info("listening", host=given.host, port=port)
        retries = Retries(settings.limits, bridge.clock)
        await bridge.start()
        found = list[Project]()

        async def find() -> None:
            project = await open_project(
                bridge.client,
                given.project or settings.application,
                bridge.classes.labels(),
                await bridge.media(),
                open_classes=given.new_classes and not settings.labels.classes,
            )
            if given.webhook_url:
                await project.connect_webhook(given.webhook_url, secret)
            found.append(project)

        await retries.once("looking for the project", find)
        log.info("connected", url=bridge.client.url, project=found[0].number, title=found[0].title)
        await bridge.run(found[0])
