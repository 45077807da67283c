"""Where the bytes of snapshots are: a directory of this machine, or a URL that fsspec knows.

A store keeps whole files under names, and knows nothing of their content. A reader sees a file as it was
written, or none. Where a store cannot promise that, the digest in the file shows the damage
(`service.model.snapshots`).

                        a directory                 a URL
    shared by           replicas on this machine    all replicas of an application
    if it cannot be     it is taken as empty,       a start waits for it; later it costs a snapshot
    read                with a warning
    needs               nothing                     the extra `remote`, and `snapshots.key`

The two differ for a reason. Waiting does not repair a disk, so a broken disk costs a replay of the examples.
A store behind a network comes back as a broker does. To take it as empty would be wrong where the topic no
longer has all the examples that its snapshots stand for.

If no place is named, snapshots lie in the user's state directory (XDG Base Directory Specification 0.8), in a
folder named after the application. The working directory would be another one at every start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from stream_al.errors import Misconfigured
from stream_al.service.model.stores.directory import DirectoryStore
from stream_al.settings import Settings

__all__ = ["DirectoryStore", "Store", "store"]


class Store(Protocol):
    """Whole files under names."""

    async def names(self) -> list[str]:
        """Every name in it, ours or not. Raises Unavailable, or Misconfigured if access is refused."""

    async def head(self, name: str, limit_bytes: int) -> tuple[bytes, int]:
        """The beginning of a file, and the length of all of it. Raises OSError or Unavailable."""

    async def read(self, name: str, limit_bytes: int) -> bytes:
        """A file, up to a limit. Raises OSError or Unavailable."""

    async def write(self, name: str, content: bytes) -> None:
        """Write a file; it replaces a file of the same name. Raises Unavailable."""

    async def delete(self, names: Iterable[str]) -> None:
        """Delete files; those that are gone already are ignored. Raises Unavailable."""


def store(settings: Settings) -> Store:
    """The store that `snapshots.directory` names.

    Raises:
        Misconfigured: Its URL needs a missing package, or this user has no home.
    """
    place = settings.snapshots.directory
    if place is None:
        return DirectoryStore(_state_directory() / settings.application / "snapshots")
    scheme, found, _ = place.partition("://")
    if not found:
        return DirectoryStore(Path(place))
    if scheme == "file":
        return DirectoryStore(Path(unquote(urlsplit(place).path)))
    from stream_al.service.model.stores.remote import RemoteStore  # noqa: PLC0415 - an extra, and slow to import

    return RemoteStore(f"{place.rstrip('/')}/{settings.application}", settings.limits.deadline_seconds)


def _state_directory() -> Path:
    if (given := Path(os.environ.get("XDG_STATE_HOME", ""))).is_absolute():
        return given / "stream_al"
    try:
        return Path.home() / ".local/state/stream_al"
    except RuntimeError:
        raise Misconfigured(
            "snapshots.directory: this user has no home directory: name a directory for the snapshots"
        ) from None
