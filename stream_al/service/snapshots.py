"""Snapshots: the fold on disk, as a cache of the log.

A file is one line of JSON, the header, and then the pickled learner. Pickle runs code, so nothing is
unpickled before the header says that it is ours, for this model definition, this River and this Python,
and the checksum agrees (with `snapshots.key` set: a keyed one, which nobody without the key can forge).
Even then it is unpickled by `service.unpickling`, which looks up what models are made of and nothing else.

Writing: to a temporary file, fsync, rename, fsync of the directory. A reader sees a whole file or none;
a file torn all the same fails its checksum and the one before it is used. Any of them may be deleted.
A directory belongs to one replica: what another process left half written there is cleared away.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from stream_al.engine.learner import Learner
from stream_al.engine.pickling import dumps
from stream_al.errors import Unavailable
from stream_al.service.log import Record
from stream_al.service.unpickling import loads
from stream_al.settings import Settings

__all__ = ["Anchor", "Snapshots"]

log = structlog.get_logger(__name__)

SCHEMA = 4
MAX_HEADER_BYTES = 10_000
NAME = re.compile(r"examples-(\d{20})\.snapshot")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last example folded, as the log has it: what ties a snapshot to its log."""

    offset: int
    timestamp_ms: int
    digest: str

    @classmethod
    def of(cls, record: Record) -> Anchor:
        """The anchor that a record is."""
        content = hashlib.blake2b(record.value or b"", key=(record.key or b"")[:64], digest_size=16)
        return cls(record.offset, record.timestamp_ms, content.hexdigest())

    @classmethod
    def before(cls, offset: int) -> Anchor:
        """The anchor of a fold that begins at an offset, whatever was before it."""
        return cls(offset - 1, 0, "")


class Snapshots:
    """The snapshots in a directory.

    Args:
        settings: Where, how many to keep, and the key.
        fingerprint: Of the model definition that new snapshots are written for.
    """

    def __init__(self, settings: Settings, fingerprint: str) -> None:
        self.directory = settings.snapshots.directory
        self.keep = settings.snapshots.keep
        self.fingerprint = fingerprint
        key = settings.snapshots.key
        self._key = key.get_secret_value().encode() if key else None
        # A factory's model may hold classes of the module that it was named with.
        definition = settings.model.definition
        own = re.match(r"\s*([A-Za-z_]\w*)", definition) if ":" in definition.split("(")[0] else None
        self._factory = own.group(1) if own else None

    async def save(self, learner: Learner, anchor: Anchor) -> Path:
        """Write a snapshot of the learner as it stands, and prune old ones.

        Raises:
            Unavailable: The disk did not take it.
        """
        body = dumps(learner)  # here, where nothing folds meanwhile
        return await asyncio.to_thread(self._write, body, learner.offset, anchor)

    def load(self, fingerprint: str) -> Iterator[tuple[Learner, Anchor]]:
        """The usable snapshots, newest first; unusable ones are passed over with a warning."""
        for path in self.paths():
            try:
                yield self._read(path, fingerprint)
            except (_Unusable, OSError) as error:
                log.warning("snapshot discarded", file=path.name, why=str(error))

    def paths(self) -> list[Path]:
        """The snapshot files, newest first."""
        try:
            return sorted((p for p in self.directory.iterdir() if NAME.fullmatch(p.name)), reverse=True)
        except FileNotFoundError:
            return []
        except OSError as error:  # a cache that cannot be read is an empty one
            log.warning("snapshots not read", directory=str(self.directory), why=str(error))
            return []

    def listed(self) -> dict[str, int]:
        """The snapshots by name, newest first, each with its offset: that of the next example to fold."""
        return {path.name: int(path.name[9:29]) for path in self.paths()}

    def clear(self) -> int:
        """Delete all snapshots; how many there were."""
        paths = self.paths()
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def _write(self, body: bytes, offset: int, anchor: Anchor) -> Path:
        header = {
            **self._versions(),
            "definition": self.fingerprint,
            "anchor": asdict(anchor),
            "length": len(body),
        }
        head = json.dumps(header, sort_keys=True)
        line = json.dumps({"header": header, "check": self._check(head, body)}, sort_keys=True)
        path = self.directory / f"examples-{offset:020}.snapshot"
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(line.encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_directory(self.directory)
            for old in [*self.paths()[self.keep :], *self.directory.glob("examples-*.tmp")]:
                old.unlink(missing_ok=True)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise Unavailable(
                f"{self.directory} did not take a snapshot: {error.strerror or error}"
            ) from error
        return path

    def _read(self, path: Path, fingerprint: str) -> tuple[Learner, Anchor]:
        line, found, body = path.read_bytes().partition(b"\n")
        try:
            outer = json.loads(line if found and len(line) <= MAX_HEADER_BYTES else b"")
            header, given = dict(outer["header"]), str(outer["check"]).encode("utf-8", "replace")
            anchor = Anchor(**header["anchor"])
            due = self._check(json.dumps(header, sort_keys=True), body).encode()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _Unusable(f"it has no header of ours ({error})") from None
        if len(body) != header.get("length"):
            raise _Unusable(f"it has {len(body)} bytes of {header.get('length')}")
        if not hmac.compare_digest(given, due):
            raise _Unusable("its checksum is wrong")
        for name, ours in {**self._versions(), "definition": fingerprint}.items():
            if header.get(name) != ours:
                raise _Unusable(f"its {name} is {header.get(name)!r}, not {ours!r}")
        try:
            learner = loads(body, self._factory)
        except Exception as error:
            raise _Unusable(f"it does not load: {error!r}") from error
        if not isinstance(learner, Learner) or [learner.offset - 1] != [anchor.offset]:
            raise _Unusable("it does not hold the learner that its header speaks of")
        return learner, anchor

    def _check(self, head: str, body: bytes) -> str:
        if self._key is None:
            return "sha256:" + hashlib.sha256(head.encode() + b"\n" + body).hexdigest()
        return "hmac-sha256:" + hmac.new(self._key, head.encode() + b"\n" + body, "sha256").hexdigest()

    @staticmethod
    def _versions() -> dict[str, Any]:
        return {
            "stream_al": SCHEMA,
            "river": version("river"),
            "python": ".".join(platform.python_version_tuple()[:2]),
        }


class _Unusable(Exception):
    """Why a file is passed over."""


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
