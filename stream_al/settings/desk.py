"""The settings of the desk, where people label in their browsers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stream_al.settings.section import Section

__all__ = ["DeskSettings"]

MAX_GUIDELINES = 20_000  # characters; every opened desk gets them
MAX_HOSTS = 20

MediaHost = Annotated[
    str,
    Field(
        pattern=r"^(https?://)?(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$",
        max_length=253,
    ),
]
"""A source of a Content-Security-Policy: a host, perhaps with a scheme, a `*.` before it and a port after."""


class DeskSettings(Section):
    """The desk at /desk, where people label in their browsers."""

    enabled: bool = Field(default=True, description="Whether to serve the desk.")
    guidelines: Annotated[str, Field(max_length=MAX_GUIDELINES)] | None = Field(
        default=None,
        description="What annotators should know, shown beside each query: text with Markdown's headings, "
        "lists, quotes, code, emphasis and links.",
    )
    media_hosts: tuple[MediaHost, ...] = Field(
        default=(),
        max_length=MAX_HOSTS,
        description="Hosts whose images and sounds the desk loads, such as [media.example, "
        '"https://*.example:8443"]. A payload that names another host is shown as a link.',
    )
    recent_bytes: int = Field(
        default=2**25,
        ge=2**16,
        description="Most bytes that the last 10,000 samples take in each process, which the desk shows on "
        "its page Explore. Of larger samples it shows fewer.",
    )
    labelled_bytes: int = Field(
        default=2**23,
        ge=2**16,
        le=2**28,
        description="Most bytes that the last 5,000 labelled samples take, in memory and in each snapshot. "
        "The page Quality of the desk shows them, and searches them for where the model fails.",
    )
