"""A store in a directory.

A file is written in four steps: a temporary file, fsync, rename, fsync of the directory. So a reader sees a
whole file or none. A temporary file that is an hour older than the file just written was left by a process
that died, and is deleted.

A directory should belong to one replica. If several share one by mistake, nothing breaks: no two processes
choose the same name for a temporary file, replicas at the same offset write the same snapshot, and a file
that another replica has deleted is passed over. Replicas with different models delete each other's snapshots
then, which costs a replay at the next start.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import structlog

from stream_al.errors import Unavailable

__all__ = ["DirectoryStore"]

log = structlog.get_logger(__name__)

UNFINISHED_SECONDS = 3600.0


class DirectoryStore:
    """Files in a directory of this machine, which is made when the first file is written.

    Args:
        path: The directory.
    """

    shared = False

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    async def names(self) -> list[str]:
        """Every name in it; none if it cannot be read."""
        return await asyncio.to_thread(self._names)

    async def read(self, name: str, limit_bytes: int) -> bytes:
        """A file, up to one byte over the limit. Raises OSError."""
        return await asyncio.to_thread(self._read, name, limit_bytes)

    async def write(self, name: str, content: bytes) -> None:
        """Write a file. Raises Unavailable if the disk does not take it."""
        await asyncio.to_thread(self._write, name, content)

    async def delete(self, names: Iterable[str]) -> None:
        """Delete files. Raises Unavailable if the disk refuses."""
        await asyncio.to_thread(self._delete, list(names))

    def _names(self) -> list[str]:
        try:
            return [path.name for path in self.path.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:  # a cache that cannot be read is taken as empty
            log.warning("snapshots not read", directory=str(self.path), why=str(error))
            return []

    def _read(self, name: str, limit_bytes: int) -> bytes:
        with (self.path / name).open("rb") as file:
            return file.read(limit_bytes + 1)

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        temporary: Path | None = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self.path, prefix="examples-", suffix=".tmp", delete=False) as file:
                temporary = Path(file.name)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync(self.path)
            self._delete_unfinished(before=path.stat().st_mtime - UNFINISHED_SECONDS)
        except OSError as error:
            with suppress(OSError):
                if temporary is not None:
                    temporary.unlink()
            raise self._unavailable(error) from error

    def _delete_unfinished(self, before: float) -> None:
        """Delete temporary files that were last written before a time, by the clock of the filesystem."""
        for unfinished in self.path.glob("examples-*.tmp"):
            with suppress(FileNotFoundError):  # another replica has finished it, or has deleted it
                if unfinished.stat().st_mtime < before:
                    unfinished.unlink()

    def _delete(self, names: list[str]) -> None:
        try:
            for name in names:
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self.path} did not take a snapshot: {error.strerror or error}")


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
