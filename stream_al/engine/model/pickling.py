"""Pickles of River models, and their distributions without random generators.

River gives every distribution a random generator of 2.5 kB, for `sample()`. A `GaussianNB` has a distribution
for each class and feature, and a Hoeffding tree for each class and feature in each leaf. So most of the time
of learning new features, and most of the memory of such a model and of its pickle, went into generators,
which no classifier uses. Here a distribution gets its generator when it is first asked for it.

A snapshot is a pickle, and so is the copy that a model may predict from. A large model takes a second, so the
service pickles it in a thread. But Python's pickler is written in C and lets no other thread run. Whenever it
calls Python code, another thread may go on. So its bytes go to and come from a file that is written in
Python, which is called for every 64 kB.
"""

from __future__ import annotations

import io
import pickle
import random
from functools import cached_property
from typing import Any

from river.proba.base import Distribution

__all__ = ["TooLarge", "dumps", "loads"]


class TooLarge(Exception):
    """A pickle has more bytes than it may."""


def dumps(model: object, most_bytes: int | None = None) -> bytes:
    """Return the pickle of a model.

    Args:
        model: The model.
        most_bytes: The most bytes of the pickle; no more are made. None for no limit.

    Raises:
        TooLarge: It would have more.

    >>> from river import proba
    >>> len(dumps(proba.Gaussian())) < 500
    True
    """
    buffer = _File()
    buffer.most_bytes = most_bytes
    pickle.dump(model, buffer, pickle.HIGHEST_PROTOCOL)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """Return the model that was pickled. Unpickling runs code, so call it only on bytes of this process."""
    return pickle.load(_File(data))  # noqa: S301 -- see above


class _File(io.BytesIO):
    """A file in memory. Its methods are Python code, so other threads may run when they are called."""

    most_bytes: int | None = None

    def write(self, data: Any) -> int:
        """Write what the pickler has made."""
        if self.most_bytes is not None and self.tell() + len(data) > self.most_bytes:
            raise TooLarge(f"more than {self.most_bytes} bytes")
        return super().write(data)

    def read(self, size: int | None = -1) -> bytes:
        """Read what the unpickler needs."""
        return super().read(size)

    def readinto(self, buffer: Any) -> int:
        """Read large bytes."""
        return super().readinto(buffer)


def _begin(distribution: Distribution, seed: int | None = None) -> None:
    """In place of River's constructor, which makes the generator at once."""
    distribution.seed = seed


_generator = cached_property(lambda distribution: random.Random(distribution.seed))  # noqa: S311 - no secret
_generator.__set_name__(Distribution, "_rng")
setattr(Distribution, "__init__", _begin)  # noqa: B010 - River has no other place for it
setattr(Distribution, "_rng", _generator)  # noqa: B010 - likewise
