"""Pickles of River models, without random generators.

A snapshot is a pickle, and so is the copy that a model may predict from. Most of a plain pickle would be
random
generators: River gives one of 2.5 kB to every distribution, for `sample()`, and a Hoeffding tree has a
distribution for each feature and class in each leaf. No classifier calls `sample()`, so distributions are
pickled without their generators.
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
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(model)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """Return the model that was pickled. Unpickling runs code, so call it only on bytes of this process."""
    return pickle.loads(data)  # noqa: S301 -- see above


def _reduce(distribution: object) -> tuple[Any, ...]:
    state = {name: value for name, value in vars(distribution).items() if name != "_rng"}
    return copyreg.__newobj__, (type(distribution),), state  # type: ignore[attr-defined]


_REDUCERS = copyreg.dispatch_table | dict.fromkeys(
    (proba.Beta, proba.Gaussian, proba.Multinomial, proba.MultivariateGaussian), _reduce
)
