"""Memory: what a partition remembers of its last samples and queries.

A strategy that wants samples unlike those already asked about has to remember these, and what it
remembers decides. So the memory belongs to the partition's state, and is committed and moved with it in
the metadata of the offset commit. It is small for that reason: `SAMPLES` and `QUERIES` sketches of 16
bytes, which leave the budget manager half of the 4,096 bytes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

from stream_al.engine.sketch import COMPONENTS, Point

__all__ = ["QUERIES", "SAMPLES", "Memory"]

SAMPLES = 64
QUERIES = 32


@dataclass(frozen=True, slots=True)
class Memory:
    """The last sketches of a partition, oldest first, one behind the other (see `sketch.points`).

    Attributes:
        samples: Of the last `SAMPLES` samples.
        queries: Of the last `QUERIES` samples that were selected.

    >>> after = Memory().remember(bytes(16), selected=True).remember(bytes(16), selected=False)
    >>> len(after.samples), len(after.queries), Memory.decode(after.encode()) == after
    (32, 16, True)
    """

    samples: bytes = b""
    queries: bytes = b""

    def remember(self, sketch: Point, *, selected: bool) -> Memory:
        """The memory after one more sample."""
        samples = (self.samples + sketch)[-SAMPLES * COMPONENTS :]
        queries = (self.queries + sketch)[-QUERIES * COMPONENTS :] if selected else self.queries
        return Memory(samples, queries)

    def encode(self) -> dict[str, str]:
        """The memory as JSON-ready values."""
        return {"samples": b64encode(self.samples).decode(), "queries": b64encode(self.queries).decode()}

    @classmethod
    def decode(cls, values: Any) -> Memory:
        """The memory that `encode` was given.

        Raises:
            ValueError: These are not values that `encode` returned.
        """
        try:
            samples, queries = (b64decode(values[name], validate=True) for name in ("samples", "queries"))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a memory: {error!r}") from error
        for rows, most in ((samples, SAMPLES), (queries, QUERIES)):
            if len(rows) % COMPONENTS or len(rows) > most * COMPONENTS:
                raise ValueError(f"not a memory: {len(rows)} bytes of sketches")
        return cls(samples, queries)
