"""Pickles of River models, without random generators.

A snapshot is a pickle, and so is the copy that a model may predict from. Most of a plain pickle would be
random
generators: River gives one of 2.5 kB to every distribution, for `sample()`, and a Hoeffding tree has a
distribution for each feature and class in each leaf. No classifier calls `sample()`, so distributions are
pickled without their generators.

A large model takes a second, so the service pickles it in a thread. But Python's pickler is written in C and
lets no other thread run. Whenever it calls Python code, another thread may go on. So its bytes go to and come
from a file that is written in Python, which is called for every 64 kB.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from typing import Any

from river import proba

__all__ = ["dumps", "loads"]


def dumps(model: object) -> bytes:
    """Return the pickle of a model.

    >>> from river import proba
    >>> len(dumps(proba.Gaussian())) < len(pickle.dumps(proba.Gaussian())) / 5
    True
    """
    buffer = _File()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(model)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """Return the model that was pickled. Unpickling runs code, so call it only on bytes of this process."""
    return pickle.load(_File(data))  # noqa: S301 -- see above


class _File(io.BytesIO):
    """A file in memory. Its methods are Python code, so other threads may run when they are called."""

    def write(self, data: Any) -> int:
        """Write what the pickler has made."""
        return super().write(data)

    def read(self, size: int | None = -1) -> bytes:
        """Read what the unpickler needs."""
        return super().read(size)

    def readinto(self, buffer: Any) -> int:
        """Read large bytes."""
        return super().readinto(buffer)


def _reduce(distribution: object) -> tuple[Any, ...]:
    state = {name: value for name, value in vars(distribution).items() if name != "_rng"}
    return copyreg.__newobj__, (type(distribution),), state  # type: ignore[attr-defined]


_REDUCERS = copyreg.dispatch_table | dict.fromkeys(
    (proba.Beta, proba.Gaussian, proba.Multinomial, proba.MultivariateGaussian), _reduce
)
