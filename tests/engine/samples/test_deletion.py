"""Which records say that a row was deleted, and which are mistakes or samples."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from stream_al.engine.samples.fast_reader import Reader
from stream_al.engine.samples.sample import InputRules, read_sample
from stream_al.errors import BadMessage, NoSample

ROW = {"id": "r7", "amount": 2.5}


def envelope(op: str, after: Any, before: Any = None) -> dict[str, Any]:
    return {"before": before, "after": after, "op": op, "ts_ms": 1}


DELETIONS: list[tuple[Any, str]] = [
    (envelope("d", None, ROW), "after"),
    (envelope("d", None), "after"),
    ({"schema": None, "payload": envelope("d", None, ROW)}, "payload.after"),
    ({"schema": None, "payload": None}, "payload.after"),
    (envelope("t", None), "after"),
    (envelope("d", None, ROW), "auto"),
    (envelope("d", None), "."),
    ({"id": "r7"} | envelope("d", None), "auto"),
    ({"schema": None, "payload": envelope("d", None, ROW)}, "auto"),
    ({**ROW, "__deleted": "true"}, "auto"),
    ({**ROW, "__deleted": True}, "."),
    ({"row": {**ROW, "__deleted": "true"}}, "row"),
]
SAMPLES: list[tuple[Any, str]] = [
    (envelope("c", ROW), "after"),
    (envelope("d", None, ROW), "before"),
    ({**ROW, "op": "d"}, "auto"),
    ({**ROW, "op": "d"}, "."),
    ({**ROW, "op": "d", "after": "noon"}, "auto"),
    ({**ROW, "__deleted": "false"}, "auto"),
    ({**ROW, "after": None}, "."),
]


def read(record: Any, features: str) -> None:
    """Read with both readers, which must agree."""
    rules, failures = InputRules(features=features), list[BadMessage]()
    for reading in (
        partial(read_sample, record, rules, key=b"k", position="p"),
        partial(Reader(rules).read, record, key=b"k", position=lambda: "p"),
    ):
        try:
            reading()
        except BadMessage as error:
            failures.append(error)
    assert len({(type(one), one.reason) for one in failures}) < 2
    assert len(failures) in (0, 2)
    if failures:
        raise failures[0]


@pytest.mark.parametrize(("record", "features"), DELETIONS)
def test_a_deletion_holds_no_sample(record: Any, features: str) -> None:
    with pytest.raises(NoSample) as found:
        read(record, features)
    assert found.value.reason == "deleted"


@pytest.mark.parametrize(("record", "features"), SAMPLES)
def test_a_sample_with_such_members_is_a_sample(record: Any, features: str) -> None:
    read(record, features)


@pytest.mark.parametrize("record", [{"op": "d"}, {"payload": {}}, {"payload": 3}, {"payload": {"after": 3}}])
def test_a_path_that_is_not_there_is_a_mistake(record: Any) -> None:
    with pytest.raises(BadMessage) as found:
        read(record, "payload.after")
    assert type(found.value) is BadMessage
