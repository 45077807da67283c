r"""Names of headers that are no text.

Kafka's protocol says that the name of a header is UTF-8, and no broker checks it. aiokafka (0.14) decodes it
strictly: the error leaves `getmany`, the records before it are lost to the caller, and the partition is stuck
on this record for ever. So the batches that aiokafka reads are wrapped here. The usual, compiled reader works
on; only a batch in which it fails is read again, by the reader in Python, which writes bytes that are no text
as escapes (`\xff`). The consumer leaves out the records of the batch that it has got already, because their
offsets are behind its position.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

__all__ = ["read_any_header_name"]


class _Lenient(bytearray):
    """Bytes that become text, whatever they are."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Lenient(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka is untyped
    """A batch whose names of headers may be any bytes."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = _Lenient(self._buffer)


class _Batch:
    """A batch as the compiled reader reads it, and as the lenient one does where that fails."""

    def __init__(self, batch: Any, raw: bytes) -> None:
        self._batch, self._raw = batch, raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._batch
        except UnicodeDecodeError:
            yield from self._again()

    def _again(self) -> Iterator[Any]:
        slices = _MemoryRecordsPy(self._raw)
        while (raw := slices._next_slice) is not None:
            slices._cache_next()
            if int.from_bytes(raw[:8], "big") == self._batch.base_offset:
                yield from _LenientBatch(bytes(raw))


class _Records:
    """The batches of one response."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._records = MemoryRecords(raw)

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        return None if batch is None else _Batch(batch, self._raw)


def read_any_header_name() -> None:
    """Let all consumers of this process read records with any names of headers."""
    fetcher.MemoryRecords = _Records
