"""A store in a directory.

A file is written in four steps: a temporary file, fsync, rename, fsync of the directory. So a reader sees a
whole file or none. The temporary file has a name that nobody can guess, and it is never one that exists.

Replicas on one machine may share a directory. They hold the same learner, so two that write the same name
write the same learner, and the last one may win. A temporary file that a killed process has left behind is
deleted when it is older by an hour than a file that is written now.

Directories are made for their owner alone, and so are files. A link or a pipe in the place of a file is never
followed: somebody else has put it there.
"""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from stream_al.errors import Unavailable

__all__ = ["DirectoryStore", "new_file"]

log = structlog.get_logger(__name__)

LEFT_BEHIND_SECONDS = 3600.0
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DirectoryStore:
    """Files in a directory of this machine, which is made when the first file is written.

    Args:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def names(self) -> list[str]:
        """Every name in it; none if it cannot be read."""
        return await asyncio.to_thread(self._names)

    async def head(self, name: str, limit_bytes: int) -> tuple[bytes, int]:
        """The beginning of a file, and the length of all of it. Raises OSError."""
        return await asyncio.to_thread(self._read, name, limit_bytes)

    async def read(self, name: str, limit_bytes: int) -> bytes:
        """A file, up to a limit. Raises OSError."""
        return (await asyncio.to_thread(self._read, name, limit_bytes))[0]

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

    def _read(self, name: str, limit_bytes: int) -> tuple[bytes, int]:
        with os.fdopen(os.open(self.path / name, READ), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise OSError("it is no plain file")
            return file.read(limit_bytes), facts.st_size

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with new_file(path, content) as temporary:
                temporary.replace(path)
            _sync(self.path)
            self._delete_left_behind(path)
        except OSError as error:
            raise self._unavailable(error) from error

    def _delete_left_behind(self, newest: Path) -> None:
        now = newest.stat().st_mtime
        for unfinished in self.path.glob("examples-*.tmp"):
            with suppress(FileNotFoundError):
                if unfinished.lstat().st_mtime < now - LEFT_BEHIND_SECONDS:
                    unfinished.unlink()

    def _delete(self, names: list[str]) -> None:
        try:
            for name in names:
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self.path} did not take a snapshot: {error.strerror or error}")


@contextmanager
def new_file(path: Path, content: bytes) -> Iterator[Path]:
    """A temporary file beside a path, with this content, on the disk; gone afterwards. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".tmp", dir=path.parent)  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
