"""Snapshots: the learner as a file, a cache of the topic `examples`.

A file has two parts: one line of JSON, the header, and the pickled learner. Unpickling runs code, so it comes
last:

    1. the header can be read, and the length is right
    2. the checksum is right. With `snapshots.key` it is keyed, so that nobody without the key can forge it
    3. the header names this schema, this River, this Python and this model definition
    4. `service.model.unpickling` loads the learner: it finds what models are made of, and nothing else
    5. the learner is the one that the header describes

A file that fails a step is discarded with a warning, and the one before it is tried. Any file may be deleted.
`service.model.stores` keeps the bytes.

The name of a file holds its offset, so the newest one is known without reading any. In a store that replicas
share, the name also holds the lineage: a digest of what step 3 compares. While one model definition replaces
another, neither overwrites the files of the other, each keeps its newest ones, and a rollback of the
definition finds them.
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
from typing import Any

import structlog
from river.__version__ import __version__ as river_version

from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.pickling import dumps
from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.protocols import Record
from stream_al.service.model.stores import store
from stream_al.service.model.unpickling import loads
from stream_al.settings import Settings

__all__ = ["Anchor", "Snapshots"]

log = structlog.get_logger(__name__)

SCHEMA = 8
MAX_HEADER_BYTES = 10_000
NAME = re.compile(r"examples-(?P<offset>\d{20})(?:-(?P<lineage>[0-9a-f]{12}))?\.snapshot")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last example folded, as it is in the topic: it ties a snapshot to its topic.

    Attributes:
        offset: The offset of its record.
        timestamp_ms: The timestamp of its record.
        digest: A digest of the key and the value.
    """

    offset: int
    timestamp_ms: int
    digest: str

    @classmethod
    def of(cls, record: Record) -> Anchor:
        """The anchor of a learner whose last example is this record."""
        content = hashlib.blake2b(record.value or b"", key=(record.key or b"")[:64], digest_size=16)
        return cls(record.offset, record.timestamp_ms, content.hexdigest())

    @classmethod
    def before(cls, offset: int) -> Anchor:
        """The anchor of a learner that begins at an offset, whatever the topic held before it."""
        return cls(offset - 1, 0, "")


class Snapshots:
    """The snapshots in a store.

    Args:
        settings: Where they are, how many to keep, and the key.
        fingerprint: Of the model definition that new snapshots are written for.

    Attributes:
        store: Where the bytes are.
        keep: How many to keep of each lineage.
        max_bytes: The largest snapshot.
        fingerprint: As given.
    """

    def __init__(self, settings: Settings, fingerprint: str) -> None:
        self.store = store(settings)
        self.keep = settings.snapshots.keep
        self.max_bytes = settings.snapshots.max_bytes
        self.fingerprint = fingerprint
        key = settings.snapshots.key
        self._key = key.get_secret_value().encode() if key else None
        # The model of a factory may hold classes of the module that the definition names.
        definition = settings.model.definition
        own = re.match(r"\s*([A-Za-z_]\w*)", definition) if ":" in definition.split("(")[0] else None
        self._factory = own.group(1) if own else None

    async def save(self, learner: Learner, anchor: Anchor) -> str:
        """Write a snapshot of the learner, and delete the surplus; return its name.

        Raises:
            Unavailable: The store did not take it.
        """
        offset, body = learner.offset, dumps(learner)  # here, so that nothing is folded meanwhile
        lineage = f"-{self._lineage()}" if self.store.shared else ""
        name = f"examples-{offset:020}{lineage}.snapshot"
        content = await asyncio.to_thread(self._sealed, body, anchor)
        if len(content) > self.max_bytes:
            raise Unavailable(
                f"the snapshot has {len(content)} bytes, more than a start would read; "
                "raise snapshots.max_bytes"
            )
        await self.store.write(name, content)
        try:
            await self.store.delete(self._surplus(await self.names()))
        except Misconfigured as error:  # the store has accepted us before, so this may pass
            raise Unavailable(str(error)) from None
        return name

    async def listed(self) -> dict[str, int]:
        """The offset of the next example to fold, for each snapshot by name, newest first."""
        found = ((name, NAME.fullmatch(name)) for name in await self.names())
        return {name: int(match["offset"]) for name, match in found if match}

    async def load(self, fingerprint: str) -> AsyncIterator[tuple[Learner, Anchor]]:
        """The usable snapshots, newest first; each unusable one is discarded with a warning.

        Raises:
            Unavailable: The store is away, so it is unknown what it holds.
            Misconfigured: The store refuses access.
        """
        tried: set[str] = set()
        while fresh := [name for name in await self._names_at_start() if name not in tried]:
            for name in fresh:  # and list again: other replicas may have replaced these by newer ones
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
        """Delete all snapshots; return their number. Raises Unavailable or Misconfigured."""
        names = await self.names()
        await self.store.delete(names)
        return len(names)

    async def _names_at_start(self) -> list[str]:
        """The names, for a start. The error says how to start without the store."""
        try:
            return await self.names()
        except Unavailable as error:
            remedy = "to do without its snapshots, point snapshots.directory elsewhere"
            raise Unavailable(f"{error}; {remedy}") from error

    def _surplus(self, names: list[str]) -> list[str]:
        """The names to delete, from names newest first; `keep` of our lineage stay, and of the others."""
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
            "river": river_version,
            "python": ".".join(platform.python_version_tuple()[:2]),
        }


class _Unusable(Exception):
    """Why a file is discarded."""
