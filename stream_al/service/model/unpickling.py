"""Unpickling that runs no code of a forger.

A pickle is a program: it looks up names, calls what it finds, and sets attributes. It cannot call what it
cannot look up, so this module decides what can be found:

- classes of this program, of River's models and of the factory's module, and a few plain data types;
- functions of River's models and of the factory's module, since models hold functions such as tokenisers.

What counts is where the thing itself is defined, not the name that leads to it: `stream_al.logs` has an
attribute `sys.modules`, and a module of River imports numpy. Functions of this program are never found,
because no model holds one and one of them unpickles. Pickle writes a method as a call of `getattr`: here it
returns methods only.

A forger can still waste memory and time. `snapshots.key` prevents that.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodType
from typing import Any

import numpy as np

__all__ = ["loads"]

PROGRAM = "stream_al"
MODELS = "river"
# These modules read files, download, or unpickle; no model holds any part of them.
NO_MODELS = ("river.checks", "river.datasets", "river.stream")
PLAIN = {
    "builtins": "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple",
    "collections": "ChainMap Counter OrderedDict UserDict UserList defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "functools": "partial",
    "numbers": "Number",
    "operator": "attrgetter itemgetter",
    "random": "Random",
    "numpy": "dtype ndarray",
}
NUMPY = (np.generic, np.dtype, np.random.BitGenerator, np.random.Generator, np.random.RandomState)
FUNCTIONS = {
    ("_codecs", "encode"),
    ("copy", "deepcopy"),
    ("copyreg", "_reconstructor"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._pickle", "__generator_ctor"),
    ("numpy.random._pickle", "__randomstate_ctor"),
}
Function = (BuiltinFunctionType, FunctionType)


def loads(body: bytes, factory: str | None = None) -> Any:
    """What was pickled.

    Args:
        body: The pickle.
        factory: The package of the factory that the model's definition names, if it names one.

    Raises:
        Exception: The pickle looks up what it may not, or it is no pickle. Unpickling may raise any error.
    """
    return _Unpickler(body, factory).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, body: bytes, factory: str | None) -> None:
        super().__init__(io.BytesIO(body))
        self._factory = factory

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return self._method
        if (module, name) in FUNCTIONS or name in PLAIN.get(module, "").split():
            return super().find_class(module, name)
        if self._may_be_found(module):  # no other module is even imported
            found = super().find_class(module, name)
            if self._may_be_used(found):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a snapshot")

    def _may_be_found(self, module: str) -> bool:
        root = module.split(".", maxsplit=1)[0]
        if root == MODELS:
            return not any(f"{module}.".startswith(f"{part}.") for part in NO_MODELS)
        return root in (PROGRAM, self._factory, "numpy")

    def _may_be_used(self, found: Any) -> bool:
        home = getattr(found, "__module__", None)
        if not isinstance(found, (type, *Function)) or not isinstance(home, str):
            return False
        root = home.split(".", maxsplit=1)[0]
        if root == "numpy":
            return isinstance(found, type) and issubclass(found, NUMPY)
        return self._may_be_found(home) and (isinstance(found, type) or root != PROGRAM)

    def _method(self, owner: Any, name: str) -> Callable[..., Any]:
        """What pickle writes for a bound method, or for a method of `str`."""
        found = getattr(owner, name)
        of_text = owner is str and isinstance(found, MethodDescriptorType)
        if of_text or (isinstance(found, MethodType) and self._may_be_used(found.__func__)):
            return found  # type: ignore[no-any-return]  # a method
        raise pickle.UnpicklingError(f"{name} of {type(owner).__name__} is not allowed in a snapshot")
