"""Snapshots: the fold as a file, a cache of the log.

A file is one line of JSON, the header, and then the pickled learner. Pickle runs code, so nothing is
unpickled before the header says that it is ours, for this model definition, this River and this Python,
and the checksum agrees (with `snapshots.key` set: a keyed one, which nobody without the key can forge).
Even then it is unpickled by `service.model.unpickling`, which looks up what models are made
of and nothing else.

Where the bytes lie is `service.model.stores`. A reader sees a whole file or none; a file torn all the
same fails its checksum and the one before it is used. Any of them may be deleted.

A name holds the offset, so that the newest is known without reading any. In a store that replicas share it
also holds the lineage: what the header must agree on. While one definition of the model takes over from
another, neither overwrites the other's, each keeps its newest, and a way back finds them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import platform
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import structlog

from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.pickling import dumps
from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.protocols import Record
from stream_al.service.model.stores import store
from stream_al.service.model.unpickling import loads
from stream_al.settings import Settings

__all__ = ["Anchor", "Snapshots"]

log = structlog.get_logger(__name__)

SCHEMA = 6
MAX_HEADER_BYTES = 10_000
NAME = re.compile(r"examples-(?P<offset>\d{20})(?:-(?P<lineage>[0-9a-f]{12}))?\.snapshot")


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
    """The snapshots in a store.

    Args:
        settings: Where, how many to keep, and the key.
        fingerprint: Of the model definition that new snapshots are written for.
    """

    def __init__(self, settings: Settings, fingerprint: str) -> None:
        self.store = store(settings)
        self.keep = settings.snapshots.keep
        self.max_bytes = settings.snapshots.max_bytes
        self.fingerprint = fingerprint
        key = settings.snapshots.key
        self._key = key.get_secret_value().encode() if key else None
        # A factory's model may hold classes of the module that it was named with.
        definition = settings.model.definition
        own = re.match(r"\s*([A-Za-z_]\w*)", definition) if ":" in definition.split("(")[0] else None
        self._factory = own.group(1) if own else None

    async def save(self, learner: Learner, anchor: Anchor) -> str:
        """Write a snapshot of the learner as it stands, and prune old ones; its name.

        Raises:
            Unavailable: The store did not take it.
        """
        offset, body = learner.offset, dumps(learner)  # here, where nothing folds meanwhile
        lineage = f"-{self._lineage()}" if self.store.shared else ""
        name = f"examples-{offset:020}{lineage}.snapshot"
        content = await asyncio.to_thread(self._sealed, body, anchor)
        if len(content) > self.max_bytes:
            raise Unavailable(
                f"the snapshot has {len(content)} bytes and nobody would read it; raise snapshots.max_bytes"
            )
        await self.store.write(name, content)
        try:
            await self.store.delete(self._surplus(await self.names()))
        except Misconfigured as error:  # it was let in before
            raise Unavailable(str(error)) from None
        return name

    async def listed(self) -> dict[str, int]:
        """The snapshots by name, newest first, each with its offset: that of the next example to fold."""
        found = ((name, NAME.fullmatch(name)) for name in await self.names())
        return {name: int(match["offset"]) for name, match in found if match}

    async def load(self, fingerprint: str) -> AsyncIterator[tuple[Learner, Anchor]]:
        """The usable snapshots, newest first; unusable ones are passed over with a warning.

        Raises:
            Unavailable: The store is away, and nobody knows what it holds.
            Misconfigured: It refuses us.
        """
        tried: set[str] = set()
        while fresh := [name for name in await self._found() if name not in tried]:
            for name in fresh:  # once more if all are gone: others prune what they have newer ones for
                tried.add(name)
                try:
                    content = await self.store.read(name, self.max_bytes)
                    found = await asyncio.to_thread(self._opened, content, fingerprint)
                except (_Unusable, OSError) as error:
                    log.warning("snapshot discarded", file=name, why=str(error))
                else:
                    yield found

    async def names(self) -> list[str]:
        """The names of the snapshots, newest first. Raises Unavailable or Misconfigured."""
        return sorted(filter(NAME.fullmatch, await self.store.names()), reverse=True)

    async def clear(self) -> int:
        """Delete all snapshots; how many there were. Raises Unavailable or Misconfigured."""
        names = await self.names()
        await self.store.delete(names)
        return len(names)

    async def _found(self) -> list[str]:
        """The names, where a person may wait for them."""
        try:
            return await self.names()
        except Unavailable as error:
            remedy = "to do without its snapshots, point snapshots.directory elsewhere"
            raise Unavailable(f"{error}; {remedy}") from error

    def _surplus(self, names: list[str]) -> list[str]:
        """What is too much of names, the newest first: of our lineage, and of all others together."""
        if not self.store.shared:
            return names[self.keep :]
        ours = [name for name in names if f"-{self._lineage()}." in name]
        others = [name for name in names if name not in ours]
        return ours[self.keep :] + others[self.keep :]

    def _lineage(self) -> str:
        facts = json.dumps({**self._versions(), "definition": self.fingerprint}, sort_keys=True)
        return hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()

    def _sealed(self, body: bytes, anchor: Anchor) -> bytes:
        header = {
            **self._versions(),
            "definition": self.fingerprint,
            "anchor": asdict(anchor),
            "length": len(body),
        }
        head = json.dumps(header, sort_keys=True)
        line = json.dumps({"header": header, "check": self._check(head, body)}, sort_keys=True)
        return line.encode() + b"\n" + body

    def _opened(self, content: bytes, fingerprint: str) -> tuple[Learner, Anchor]:
        if len(content) > self.max_bytes:
            raise _Unusable("it is larger than snapshots.max_bytes")
        line, found, body = content.partition(b"\n")
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
