"""Where the bytes of snapshots lie: a directory of this machine, or a place that fsspec knows by a URL.

A store keeps whole files under names, and knows nothing of what is in them. Whoever reads sees a file as
it was written, or none; what a store cannot promise there, the checksum in the file finds
(`service.model.snapshots`).

                 a directory                     a URL
    for          one replica                     all replicas of an application
    away         taken as empty, with a warning  at a start it is waited for; later it costs a snapshot
    needs        nothing                         the extra `remote`

A disk that cannot be read will not be mended by waiting; it costs a replay of the examples. A store
behind a network comes back as a broker does, so a start waits for it as for the broker: it would be
wrong to call the snapshots that it holds none, where the log no longer has all the examples they stand for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from urllib.parse import unquote, urlsplit

from stream_al.service.model.stores.directory import Directory
from stream_al.settings import Settings

__all__ = ["Directory", "Store", "store"]


class Store(Protocol):
    """Whole files under names."""

    shared: bool
    """Whether other replicas keep theirs in it as well."""

    async def names(self) -> list[str]:
        """Every name in it, ours or not. Raises Unavailable, or Misconfigured if it refuses us for good."""

    async def read(self, name: str, limit_bytes: int) -> bytes:
        """A file; one byte more than the limit if it is larger. Raises OSError or Unavailable."""

    async def write(self, name: str, content: bytes) -> None:
        """Put a file there, in place of any other of its name. Raises Unavailable."""

    async def delete(self, names: Iterable[str]) -> None:
        """Delete files, those that are gone already as well. Raises Unavailable."""


def store(settings: Settings) -> Store:
    """The store that `snapshots.directory` names. Raises Misconfigured if a URL needs what is not there."""
    place = settings.snapshots.directory
    scheme, found, _ = place.partition("://")
    if not found:
        return Directory(place)
    if scheme == "file":  # the same place, and so the same guarantees
        return Directory(unquote(urlsplit(place).path))
    from stream_al.service.model.stores.remote import Remote  # noqa: PLC0415 - an extra, and slow

    return Remote(f"{place.rstrip('/')}/{settings.application}", settings.limits.deadline_seconds)
