"""Batches: many records in as few requests as the service takes.

The service limits a request in bytes (`http.max_body_bytes`) and in records (`http.max_records`). A client
does not know these settings. It begins with their defaults, and halves what it sends when the service says
that it was too much; nothing of a refused request was accepted, so nothing is sent twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from stream_al.messages import encode

__all__ = ["MAX_BYTES", "MAX_RECORDS", "Batches"]

MAX_BYTES = 1_000_000
MAX_RECORDS = 10_000


class Batches:
    """Cuts records into bodies of requests. Records are taken as they are needed.

    Args:
        records: The records, as JSON objects.
        max_bytes: The largest body; a single record may be larger, and is then sent alone.
        max_records: The most records in a body.

    Examples:
        >>> cut = Batches([{"id": n} for n in range(3)], max_bytes=20)
        >>> cut.take(), cut.take(), cut.take()
        (b'[{"id":0},{"id":1}]', b'[{"id":2}]', b'')
    """

    def __init__(
        self,
        records: Iterable[dict[str, Any]],
        max_bytes: int = MAX_BYTES,
        max_records: int = MAX_RECORDS,
    ) -> None:
        self._records = iter(records)
        self._next: deque[bytes] = deque()  # encoded, not sent yet
        self._sent: list[bytes] = []
        self._max_bytes = max_bytes
        self._max_records = max_records

    @property
    def size(self) -> int:
        """The number of records in the last body."""
        return len(self._sent)

    def take(self) -> bytes:
        """The body of the next request; empty if all is sent."""
        taken: list[bytes] = []
        number = 1  # the brackets; each record brings a comma, or the other bracket
        while len(taken) < self._max_records:
            if not self._next:
                record = next(self._records, None)
                if record is None:
                    break
                self._next.append(encode(record))
            number += len(self._next[0]) + 1
            if taken and number > self._max_bytes:
                break
            taken.append(self._next.popleft())
        self._sent = taken
        return b"[" + b",".join(taken) + b"]" if taken else b""

    def split(self) -> bool:
        """Take the last body back, and make bodies of half its size from now on.

        Returns:
            Whether that is possible: a single record has no half.
        """
        if len(self._sent) < 2:
            return False
        self._max_records = len(self._sent) // 2
        self._next.extendleft(reversed(self._sent))
        self._sent = []
        return True
