"""Fuzzing that is guided by coverage. It has no end, so it is run by hand and is not a part of the tests.

    pip install atheris
    python -m tests.fuzz.coverage messages -max_total_time=60
    python -m tests.fuzz.coverage expression -max_total_time=60

A target crashes if a function raises anything except the one error that its module documents.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from stream_al.engine.model.definition.expression import load
from stream_al.engine.samples.sample import InputRules, read_sample
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import Example, Label, Query, decode, decode_json

__all__ = ["TARGETS", "main"]

MAX_BYTES = 1_000_000


def messages(data: bytes) -> None:
    """Every decoder, on any bytes."""
    with suppress(BadMessage):
        decode(Label, data, max_bytes=MAX_BYTES)
    with suppress(BadMessage):
        decode(Example, data, max_bytes=MAX_BYTES)
    with suppress(BadMessage):
        decode(Query, data, max_bytes=MAX_BYTES)
    with suppress(BadMessage):
        read_sample(decode_json(data, max_bytes=MAX_BYTES), InputRules(), key=None, position="p")


def expression(data: bytes) -> None:
    """The parser of model definitions, on any text."""
    with suppress(Misconfigured):
        load(data.decode("utf-8", "replace"), seed=0)


TARGETS: dict[str, Callable[[bytes], None]] = {"messages": messages, "expression": expression}


def main() -> None:
    """Fuzz the target that the command line names; the other arguments are for libFuzzer."""
    atheris = import_module("atheris")  # not among the dependencies: it is large and has no wheels everywhere
    target = TARGETS[sys.argv.pop(1)]
    atheris.instrument_func(target)
    for module in (
        "stream_al.json_records",
        "stream_al.messages",
        "stream_al.engine.samples.sample",
        "stream_al.engine.model.definition.expression",
    ):
        for found in vars(sys.modules[module]).values():
            if callable(found) and getattr(found, "__module__", "") == module and hasattr(found, "__code__"):
                found.__code__ = atheris.instrument_func(found).__code__
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
