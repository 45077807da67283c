"""A digest of the state of an object: equal states give equal digests, in any process.

Two replicas that learned the same examples must be able to compare their models, and a snapshot must be able
to prove itself. Pickle's bytes are no such digest: they depend on which strings are one object, and the order
of a set changes with `PYTHONHASHSEED`. So the object graph is walked as pickle would walk it
(`__reduce_ex__`), and its meaning is hashed:

- scalars by type and value; every NaN is one NaN, and -0.0 is 0.0;
- functions and classes by qualified name; numpy arrays by dtype, shape and content;
- lists, tuples and dicts in their order, which is part of a model's state (it decides ties and the order of
  sums);
- sets, counters and the attributes of an object in sorted order, since their order is not part of the state
  (a `TFIDF` counts the terms of a document in the order of a set);
- an object met again, and hence a cycle, by the index of its first visit. Pickle keeps the sharing of mutable
  objects, so a restored object has the same digest. Scalars and tuples, which pickle may merge or copy, have
  no index;
- a pipeline by its steps alone: the rest is a plan that River caches at the first prediction;
- a distribution without its generator, which only `sample()` uses. No classifier calls that, and River seeds
  it from the system's entropy (every leaf of a Hoeffding tree holds dozens of them).

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

from stream_al.engine.steps import finished

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

__all__ = ["digest", "digest_in_steps"]

STEP = 1000  # objects: a few milliseconds
OBJECT_BYTES = 1000  # of an array: to hash them takes as long as an object
BLOCK_BYTES = 1_000_000  # of an array that are hashed at once
PLAIN = "biufcSUmM"  # the kinds of arrays whose bytes say all
REDUCTION = 10  # objects: to take one apart that is no plain value takes as long

_SIZE = 16
_Opened: TypeAlias = tuple[bytes, list[object]]


def digest(obj: object) -> str:
    """Return the digest of the state of `obj` and of all it refers to, as 32 hexadecimal digits.

    Args:
        obj: Anything that pickle accepts, and functions of any kind.

    Raises:
        TypeError: A part of `obj` cannot be reduced, such as an open file.

    >>> digest({"a", "b"}) == digest({"b", "a"})
    True
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    False
    >>> digest([1, 1.0, True]) == digest([1, 1, 1])
    False
    """
    return finished(digest_in_steps(obj))


def digest_in_steps(obj: object) -> Generator[None, None, str]:
    """Return the digest, and yield now and then, so that the caller can let others run.

    If `obj` changes meanwhile, the digest means nothing: then close the generator and begin again.
    """
    return (yield from _walk_in_steps(obj, {})).hex()


def _walk(root: object, visits: dict[int, int]) -> bytes:
    return finished(_walk_in_steps(root, visits))


def _walk_in_steps(root: object, visits: dict[int, int]) -> Generator[None, None, bytes]:
    walked = 0
    hashed = blake2b(digest_size=_SIZE)
    alive = []  # keeps objects that a reduction made, whose ids would be given to other objects
    stack = [root]
    while stack:
        walked += 1
        if walked >= STEP:
            walked = 0
            yield
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
        if isinstance(obj, np.ndarray | np.generic) and np.asarray(obj).dtype.kind in PLAIN:
            yield from _hash_array(hashed, kind, np.asarray(obj))
            walked += np.asarray(obj).nbytes % BLOCK_BYTES // OBJECT_BYTES + REDUCTION
            continue
        content, children = _open(obj, visits)
        walked += len(content) // OBJECT_BYTES + (0 if kind in _OPENINGS else REDUCTION)
        hashed.update(_token(kind, content))
        stack.extend(reversed(children))
    return hashed.digest()


def _open(obj: Any, visits: dict[int, int]) -> _Opened:
    """Split an object into the bytes to hash now, and the objects to walk next."""
    kind = type(obj)
    if kind in (set, frozenset):
        visited = (dict(visits) if type(child) not in _SCALARS else {} for child in obj)
        return b"".join(sorted(map(_walk, obj, visited))), []
    if opening := _OPENINGS.get(kind):
        return opening(obj)
    if isinstance(obj, np.ndarray | np.generic):  # of objects
        array = np.asarray(obj)
        return _shape(array), array.tolist() if array.ndim else [array.item()]
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
    # A state is a dict of attributes, or that and a dict of slots, or anything that the class returns.
    states = state if isinstance(state, tuple) and len(state) == 2 else (state,)
    parts: list[object] = [_flat(sorted(part.items())) if _is_attributes(part) else part for part in states]
    parts += [make, args, list(items or ()), _flat(pairs or ())]
    return b"%d" % len(parts), parts


def _is_attributes(state: object) -> bool:
    return type(state) is dict and all(type(name) is str for name in state)


def _first(pair: tuple[object, object]) -> bytes:
    return _walk(pair[0], {})


def _hash_array(hashed: blake2b, kind: Any, array: np.ndarray[Any, Any]) -> Generator[None, None, None]:
    """Hash an array of plain values, a block at a time."""
    shape, flat = _shape(array), array.reshape(-1)
    hashed.update(_frame(kind, len(shape) + array.nbytes) + shape)
    length = max(1, BLOCK_BYTES // max(1, array.itemsize))
    for begin in range(0, len(flat), length):
        if begin:
            yield
        block = flat[begin : begin + length]
        if block.dtype.kind == "f":  # one NaN, one zero
            block = np.where(np.isnan(block), np.array(np.nan, block.dtype), block + np.array(0, block.dtype))
        hashed.update(block.tobytes())


def _shape(array: np.ndarray[Any, Any]) -> bytes:
    return f"{array.dtype.str}{array.shape}".encode()


def _flat(pairs: Iterable[tuple[object, object]]) -> list[object]:
    return [part for pair in pairs for part in pair]


def _token(kind: Any, content: bytes) -> bytes:
    """Frame a piece, so that no two sequences of pieces give the same bytes."""
    return _frame(kind, len(content)) + content


def _frame(kind: Any, length: int) -> bytes:
    name = _name(kind)
    return b"%d:%b%d:" % (len(name), name, length)


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
