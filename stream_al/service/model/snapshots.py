"""Snapshots: the learner as a file, a cache of the topic `examples`.

A file has two parts: one line of JSON, the header, and the pickled learner. Unpickling runs what the pickle
says, so it comes last, and only for what this application has written:

    1. the header can be read, and its signature is right (`service.model.signature`)
    2. the header names this schema, this River, this Python and this model definition
    3. the file has the length that the header says, and no more than `snapshots.max_bytes`
    4. now the rest of the file is read; its digest is the one in the header
    5. it is unpickled, and the learner is the one that the header describes

A file that fails a step is discarded with a warning, and the one before it is tried. Any file may be deleted.
`service.model.stores` keeps the bytes.

The name of a file holds its offset, so the newest one is known without reading any. It also holds the
lineage: a digest of what step 2 compares. Replicas may share a place, and while one model definition replaces
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
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

import structlog
from river.__version__ import __version__ as river_version

from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.pickling import dumps, loads
from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.protocols import Record
from stream_al.service.model.signature import KeyFile, sign
from stream_al.service.model.stores import DirectoryStore, Store, store
from stream_al.settings import Settings

__all__ = ["Anchor", "Snapshots"]

log = structlog.get_logger(__name__)

SCHEMA = 20
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
        self._key = _key(settings, self.store)

    async def save(self, learner: Learner, anchor: Anchor, body: bytes | None = None) -> str:
        """Write a snapshot of the learner, and delete the surplus; return its name.

        Args:
            learner: The learner.
            anchor: Its last example.
            body: The learner's pickle, if it was made before.

        Raises:
            Unavailable: The store did not take it, or the key to sign it cannot be used.
        """
        body = dumps(learner) if body is None else body
        name = f"examples-{anchor.offset + 1:020}-{self._lineage()}.snapshot"
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
            Misconfigured: The store refuses access, or others can reach the key.
        """
        tried: set[str] = set()
        while fresh := [name for name in await self._names_at_start() if name not in tried]:
            for name in fresh:  # and list again: other replicas may have replaced these by newer ones
                tried.add(name)
                try:
                    found = await self._open(name, fingerprint)
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
        ours = [name for name in names if f"-{self._lineage()}." in name]
        others = [name for name in names if name not in ours]
        return ours[self.keep :] + others[self.keep :]

    def _lineage(self) -> str:
        facts = json.dumps({**self._versions(), "definition": self.fingerprint}, sort_keys=True)
        return hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()

    async def _open(self, name: str, fingerprint: str) -> tuple[Learner, Anchor]:
        head, size = await self.store.head(name, MAX_HEADER_BYTES)
        line, found, _ = head.partition(b"\n")
        if not found:
            raise _Unusable("it has no header of ours")
        header, anchor = await asyncio.to_thread(self._header, line, fingerprint)
        if header.get("length") != size - len(line) - 1:
            raise _Unusable(f"it has {size - len(line) - 1} bytes of {header.get('length')}")
        if size > self.max_bytes:
            raise _Unusable("it is larger than snapshots.max_bytes")
        content = await self.store.read(name, size)
        learner = await asyncio.to_thread(self._learner, content[len(line) + 1 :], header)
        if [learner.offset - 1] != [anchor.offset]:
            raise _Unusable("it does not hold the learner that its header speaks of")
        return learner, anchor

    def _sealed(self, body: bytes, anchor: Anchor) -> bytes:
        header = {
            **self._versions(),
            "definition": self.fingerprint,
            "anchor": asdict(anchor),
            "length": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        try:
            signature = self._signature(json.dumps(header, sort_keys=True))
        except Misconfigured as error:  # the key was all right at the start, so this may pass
            raise Unavailable(str(error)) from None
        line = json.dumps({"header": header, "signature": signature}, sort_keys=True)
        return line.encode() + b"\n" + body

    def _header(self, line: bytes, fingerprint: str) -> tuple[dict[str, Any], Anchor]:
        """The header in a line, if its signature is right and it names our versions."""
        try:
            outer = json.loads(line)
            header, given = dict(outer["header"]), str(outer["signature"]).encode("utf-8", "replace")
            anchor = Anchor(**header["anchor"])
            text = json.dumps(header, sort_keys=True)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _Unusable(f"it has no header of ours ({error})") from None
        try:
            due = self._signature(text).encode()
        except Unavailable as error:  # a disk that is broken costs a replay, as the store says
            raise _Unusable(str(error)) from None
        if not hmac.compare_digest(given, due):
            raise _Unusable("its signature is wrong: it was damaged, or written with another key")
        for name, ours in {**self._versions(), "definition": fingerprint}.items():
            if header.get(name) != ours:
                raise _Unusable(f"its {name} is {header.get(name)!r}, not {ours!r}")
        return header, anchor

    @staticmethod
    def _learner(body: bytes, header: dict[str, Any]) -> Learner:
        if hashlib.sha256(body).hexdigest() != header.get("sha256"):
            raise _Unusable("its content is damaged")
        try:
            learner = loads(body)
        except Exception as error:
            raise _Unusable(f"it does not load: {error!r}") from error
        if not isinstance(learner, Learner):
            raise _Unusable("it holds no learner")
        return learner

    def _signature(self, header: str) -> str:
        return sign(self._key(), header.encode())

    @staticmethod
    def _versions() -> dict[str, Any]:
        return {
            "stream_al": SCHEMA,
            "river": river_version,
            "python": ".".join(platform.python_version_tuple()[:2]),
        }


def _key(settings: Settings, place: Store) -> Callable[[], bytes]:
    """What returns the key: that of the settings, or the one beside the directory, read when it is needed."""
    if key := settings.snapshots.key:
        return partial(str.encode, key.get_secret_value())
    if isinstance(place, DirectoryStore):
        return cache(KeyFile(place.path).read_or_make)
    raise ValueError("a URL without snapshots.key, which the settings refuse")


class _Unusable(Exception):
    """Why a file is discarded."""
