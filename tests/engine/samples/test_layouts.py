"""The plans of the fast reader are bounded by their names, not by their number alone."""

from __future__ import annotations

from stream_al.engine.samples.fast_reader import CHARACTERS, NAMES, Reader
from stream_al.engine.samples.sample import InputRules


def kept(reader: Reader) -> list[str]:
    return [name for _, names, _ in reader._plans for name in names]


def test_records_with_many_new_names_do_not_fill_the_memory() -> None:
    reader = Reader(InputRules())
    for number in range(60):
        record = {"id": "a", "features": {f"{number}-{k}": 1 for k in range(5000)}}
        reader.read(record, key=None, position=str)
        assert len(kept(reader)) <= NAMES


def test_records_with_long_names_do_not_fill_the_memory() -> None:
    reader = Reader(InputRules(max_name=1_000_000))
    for number in range(30):
        record = {"id": "a", "features": {f"{number}-" + "n" * 400_000: 1}}
        reader.read(record, key=None, position=str)
        assert sum(map(len, kept(reader))) <= CHARACTERS
