"""Where the bytes of snapshots are: a directory of this machine, or a URL that fsspec knows.

A store keeps whole files under names, and knows nothing of their content. A reader sees a file as it was
written, or none. Where a store cannot promise that, the checksum in the file shows the damage
(`service.model.snapshots`).

                        a directory                 a URL
    belongs to          one replica                 all replicas of an application
    if it cannot be     it is taken as empty,       a start waits for it; later it costs a snapshot
    read                with a warning
    needs               nothing                     the extra `remote`

The two differ for a reason. Waiting does not repair a disk, so a broken disk costs a replay of the examples.
A store behind a network comes back as a broker does. To take it as empty would be wrong where the topic no
longer has all the examples that its snapshots stand for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from urllib.parse import unquote, urlsplit

from stream_al.service.model.stores.directory import DirectoryStore
from stream_al.settings import Settings

__all__ = ["DirectoryStore", "Store", "store"]


class Store(Protocol):
    """Whole files under names."""

    shared: bool
    """Whether other replicas keep their files in it as well."""

    async def names(self) -> list[str]:
        """Every name in it, ours or not. Raises Unavailable, or Misconfigured if access is refused."""

    async def read(self, name: str, limit_bytes: int) -> bytes:
        """A file; if it is too large, one byte more than the limit. Raises OSError or Unavailable."""

    async def write(self, name: str, content: bytes) -> None:
        """Write a file; it replaces a file of the same name. Raises Unavailable."""

    async def delete(self, names: Iterable[str]) -> None:
        """Delete files; those that are gone already are ignored. Raises Unavailable."""


def store(settings: Settings) -> Store:
    """The store that `snapshots.directory` names. Raises Misconfigured if its URL needs a missing package."""
    place = settings.snapshots.directory
    scheme, found, _ = place.partition("://")
    if not found:
        return DirectoryStore(place)
    if scheme == "file":
        return DirectoryStore(unquote(urlsplit(place).path))
    from stream_al.service.model.stores.remote import RemoteStore  # noqa: PLC0415 - an extra, and slow to import

    return RemoteStore(f"{place.rstrip('/')}/{settings.application}", settings.limits.deadline_seconds)
