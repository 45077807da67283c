"""Unpickling without running what a forger wrote.

A pickle is a program: it names things to look up, calls them and sets their attributes. What it cannot
look up it cannot call, so all depends on what is found. Looked up are

- classes of this program, of River's models, of the module that a model's factory is named with, and a
  few plain data types;
- functions of River's models, and of the factory's module: models hold them, as tokenisers and the like.

Found is not what a name says but what it leads to: `stream_al.logs` has an attribute `sys.modules`, and a
module of River's imports numpy. So the thing itself must have been defined where it may be, and functions
of this program, one of which unpickles, are no part of any model. `getattr` is how pickle writes a
method: here it gives methods and nothing else.

A forger can still waste memory and time. Who fears that sets `snapshots.key`.
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
# They read files, download, or unpickle; no model holds any of it.
NO_MODELS = ("river.checks", "river.datasets", "river.stream")
PLAIN = {
    "builtins": "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple",
    "collections": "ChainMap Counter OrderedDict UserDict UserList defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "functools": "partial",
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
        Exception: It looks up what it may not, or is no pickle; unpickling raises anything.
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
        if self._may_be_found(module):  # nothing else is even imported
            found = super().find_class(module, name)
            if self._may_be_used(found):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a snapshot")

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
        """What pickle writes of a bound method, or of a method of `str`."""
        found = getattr(owner, name)
        of_text = owner is str and isinstance(found, MethodDescriptorType)
        if of_text or (isinstance(found, MethodType) and self._may_be_used(found.__func__)):
            return found  # type: ignore[no-any-return]  # a method
        raise pickle.UnpicklingError(f"{name} of {type(owner).__name__} has no place in a snapshot")
