"""A digest of what an object *is*: equal states give equal digests, in any process.

Two replicas that learned the same examples must be able to say so, and a snapshot must be able to
prove itself. Pickle's bytes cannot serve: they tell which strings happened to be one object, and
the order of a set changes with `PYTHONHASHSEED`. So the object graph is walked as pickle would walk
it (`__reduce_ex__`), and what it means is hashed:

- scalars by type and value; every NaN is one NaN, and -0.0 is 0.0;
- functions and classes by qualified name; numpy arrays by dtype, shape and content;
- lists, tuples and dicts in their order, which is part of a model's state (it decides ties and the
  order of sums); sets, counters and the attributes of an object in sorted order, which is not (a
  `TFIDF` counts the terms of a document in the order of a set);
- an object met again, and hence a cycle, by the index of its first visit. Pickle keeps the sharing
  of mutable objects, so this survives a restore; scalars and tuples, which it may merge or copy,
  have no index;
- a pipeline by its steps alone: the rest is a plan that River caches on the first prediction; a
  distribution without the generator it holds for `sample()`, which no classifier calls and which
  River seeds from the system's entropy (every leaf of a Hoeffding tree holds dozens of them).

The walk keeps its own stack, so a deep tree meets no recursion limit; only sets within sets recurse.
"""

from __future__ import annotations

import copyreg
import random
import struct
from collections import Counter
from hashlib import blake2b
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from river.compose import Pipeline
from river.proba.base import Distribution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["digest"]

_SIZE = 16
_Opened: TypeAlias = tuple[bytes, list[object]]


def digest(obj: object) -> str:
    """Return 32 hexadecimal digits that stand for the state of `obj` and of all it refers to.

    Args:
        obj: Anything that pickle takes, and functions of any kind.

    Raises:
        TypeError: Some part of `obj` cannot be taken apart, such as an open file.

    Examples:
        >>> digest({"a", "b"}) == digest({"b", "a"})
        True
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        False
        >>> digest([1, 1.0, True]) == digest([1, 1, 1])
        False
    """
    return _walk(obj, {}).hex()


def _walk(root: object, visits: dict[int, int]) -> bytes:
    hashed = blake2b(digest_size=_SIZE)
    alive = []  # what a reduction makes on the fly must not die: its id would pass to another object
    stack = [root]
    while stack:
        obj = stack.pop()
        kind = type(obj)
        if scalar := _SCALARS.get(kind):
            hashed.update(_token(kind, scalar(obj)))
            continue
        if isinstance(obj, _NAMED):
            hashed.update(_token(FunctionType, _name(obj)))
            continue
        if kind is not tuple:
            visit = visits.get(id(obj))
            if visit is not None:
                hashed.update(_token(id, b"%d" % visit))
                continue
            visits[id(obj)] = len(visits)
            alive.append(obj)
        content, children = _open(obj, visits)
        hashed.update(_token(kind, content))
        stack.extend(reversed(children))
    return hashed.digest()


def _open(obj: Any, visits: dict[int, int]) -> _Opened:
    """Split an object into what is hashed here and now, and the objects to walk next."""
    kind = type(obj)
    if kind in (set, frozenset):
        seen = (dict(visits) if type(child) not in _SCALARS else {} for child in obj)
        return b"".join(sorted(map(_walk, obj, seen))), []
    if opening := _OPENINGS.get(kind):
        return opening(obj)
    if isinstance(obj, np.ndarray | np.generic):
        return _array(np.asarray(obj))
    return _reduce(obj)


def _reduce(obj: object) -> _Opened:
    reducer: Callable[[object], Any] | None = copyreg.dispatch_table.get(type(obj))
    reduction = reducer(obj) if reducer else obj.__reduce_ex__(4)
    if isinstance(reduction, str):  # a global
        return _name(obj), []
    pieces: list[Any] = [*reduction, None, None, None]
    make, args, state, items, pairs = pieces[:5]
    if isinstance(obj, Distribution):
        state = {name: part for name, part in vars(obj).items() if name not in ("_rng", "seed")}
    # A state is a dict of attributes, or that and a dict of slots, or whatever the class made up.
    states = state if isinstance(state, tuple) and len(state) == 2 else (state,)
    parts: list[object] = [_flat(sorted(part.items())) if _is_attributes(part) else part for part in states]
    parts += [make, args, list(items or ()), _flat(pairs or ())]
    return b"%d" % len(parts), parts


def _is_attributes(state: object) -> bool:
    return type(state) is dict and all(type(name) is str for name in state)


def _first(pair: tuple[object, object]) -> bytes:
    return _walk(pair[0], {})


def _array(array: np.ndarray[Any, Any]) -> _Opened:
    shape = f"{array.dtype.str}{array.shape}".encode()
    if array.dtype.kind not in "biufcSUmM":
        return shape, array.tolist() if array.ndim else [array.item()]
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array + np.array(0, array.dtype))
    return shape + array.tobytes(), []


def _flat(pairs: Iterable[tuple[object, object]]) -> list[object]:
    return [part for pair in pairs for part in pair]


def _token(kind: Any, content: bytes) -> bytes:
    """Frame a piece so that no two sequences of pieces read the same."""
    name = _name(kind)
    return b"%d:%b%d:%b" % (len(name), name, len(content), content)


def _name(obj: Any) -> bytes:
    return f"{getattr(obj, '__module__', '')}.{getattr(obj, '__qualname__', obj)}".encode()


def _float(value: float) -> bytes:
    return b"nan" if value != value else struct.pack("<d", value + 0.0)  # noqa: PLR0124 -- NaN alone differs


_NAMED = (type, FunctionType, np.ufunc)

_SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"",
    bool: lambda value: b"%d" % value,
    int: lambda value: b"%x" % value,
    float: _float,
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    bytes: bytes,
}

_OPENINGS: dict[type, Callable[[Any], _Opened]] = {
    tuple: lambda items: (b"%d" % len(items), list(items)),
    list: lambda items: (b"%d" % len(items), items),
    dict: lambda pairs: (b"%d" % len(pairs), _flat(pairs.items())),
    random.Random: lambda generator: (repr(generator.getstate()).encode(), []),
    Counter: lambda counts: (b"%d" % len(counts), _flat(sorted(counts.items(), key=_first))),
    Pipeline: lambda pipeline: (b"", [pipeline.steps]),
}
