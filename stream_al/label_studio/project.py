"""The project: found or created, with a labelling configuration and a webhook.

Each step may be repeated: a project is looked up by its title before it is created, and a webhook by its
address. If two processes create a project at once, both take the older one from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
import structlog

from stream_al.errors import Misconfigured
from stream_al.label_studio import configuration
from stream_al.label_studio.annotations import decoded
from stream_al.label_studio.client import Client, Refused
from stream_al.label_studio.configuration import Configuration
from stream_al.messages import ClassLabel

__all__ = ["SECRET_HEADER", "Project", "open_project"]

log = structlog.get_logger(__name__)

SECRET_HEADER = "X-Stream-Al-Secret"  # noqa: S105 - the name of a header
ACTIONS = (
    *("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"),
    "TASKS_DELETED",
)
MOST_PAGES = 100
PAGE = 100


class _Row(msgspec.Struct, frozen=True):
    id: int
    title: str = ""
    label_config: str = ""


class _Rows(msgspec.Struct, frozen=True):
    results: list[_Row]
    next: str | None = None


class _Webhook(msgspec.Struct, frozen=True):
    id: int
    url: str


class Project:
    """A project of Label Studio.

    Args:
        client: The connection.
        number: Its id.
        title: Its title.
        shown: Its labelling configuration.
    """

    def __init__(self, client: Client, number: int, title: str, shown: Configuration) -> None:
        self.client = client
        self.number = number
        self.title = title
        self.shown = shown

    async def extend(self, classes: Iterable[ClassLabel], media: Collection[str]) -> None:
        """Add the classes and media that its configuration does not have.

        The configuration is read again before that, so that what a person has changed meanwhile stays.
        """
        if configuration.extended(self.shown, classes, media) is self.shown:
            return
        row = decoded(_Row, await self.client.request("GET", f"/api/projects/{self.number}/"))
        current = configuration.read(row.label_config)
        wanted = configuration.extended(current, classes, media)
        if wanted is not current:
            await self.client.request(
                "PATCH", f"/api/projects/{self.number}/", body={"label_config": wanted.xml}
            )
            added = sorted(wanted.choices - current.choices)
            log.info("labelling configuration extended", project=self.number, classes=added[:20])
        self.shown = wanted

    async def connect_webhook(self, url: str, secret: str) -> None:
        """Let Label Studio tell us at an address what has changed."""
        wanted = {
            "project": self.number,
            "url": url,
            "headers": {SECRET_HEADER: secret},
            "send_payload": False,  # the bridge reads what has changed by itself
            "send_for_all_actions": False,
            "is_active": True,
            "actions": list(ACTIONS),
        }
        body = await self.client.request("GET", "/api/webhooks/", params={"project": self.number})
        there = [webhook for webhook in decoded(list[_Webhook], body) if webhook.url == url]
        try:
            if there:
                path = f"/api/webhooks/{there[0].id}/"
                await self.client.request("PATCH", path, body=wanted)
            else:
                await self.client.request("POST", "/api/webhooks/", body=wanted)
        except Refused as error:
            raise Misconfigured(
                f"label_studio.webhook_url: Label Studio refuses {url}: for an address of a private network "
                f"set SSRF_PROTECTION_ENABLED=false there, or write null and rely on polling ({error})"
            ) from None
        log.info("webhook connected", url=url, project=self.number)


async def open_project(
    client: Client,
    wanted: str,
    classes: Collection[ClassLabel],
    media: Collection[str],
    *,
    open_classes: bool,
) -> Project:
    """The project, created if its title does not exist.

    Args:
        client: The connection.
        wanted: Its number or its title.
        classes: The classes that are known.
        media: Of `image` and `audio`, what the payloads hold.
        open_classes: Whether an annotator may name a class that is not listed.

    Raises:
        Misconfigured: There is no project of this number, or its configuration does not suit.
    """
    made = configuration.created(classes, media, open_classes=open_classes)
    row = await _found(client, wanted)
    if row is None:
        new: dict[str, Any] = {
            "title": wanted,
            "label_config": made.xml,
            "enable_empty_annotation": False,
            "skip_queue": "IGNORE_SKIPPED",  # a skipped query is closed: nobody else is asked
        }
        await _created(client, new)
        row = await _found(client, wanted)
        if row is None:
            raise Misconfigured(
                f"label_studio.project: Label Studio does not list {wanted!r} after its creation: "
                "name another one"
            )
        log.info("project created", project=row.id, title=row.title)
    elif configuration.is_empty(row.label_config):
        await client.request("PATCH", f"/api/projects/{row.id}/", body={"label_config": made.xml})
        return Project(client, row.id, row.title, made)
    return Project(client, row.id, row.title, configuration.read(row.label_config))


async def _created(client: Client, new: dict[str, Any]) -> None:
    try:
        await client.request("POST", "/api/projects/", body=new)
    except Refused as error:
        raise Misconfigured(
            f"label_studio.project: Label Studio refuses to create {new['title']!r}: write a title of 3 to "
            f"50 characters, or the number of a project that exists ({error})"
        ) from None


async def _found(client: Client, wanted: str) -> _Row | None:
    if wanted.isdecimal():
        return decoded(_Row, await client.request("GET", f"/api/projects/{int(wanted)}/"))
    found = list[_Row]()
    for page in range(1, MOST_PAGES + 1):
        params = {"title": wanted, "page": page, "page_size": PAGE}
        rows = decoded(_Rows, await client.request("GET", "/api/projects/", params=params))
        found += [row for row in rows.results if row.title == wanted]
        if rows.next is None:
            break
    return min(found, key=lambda row: row.id, default=None)
