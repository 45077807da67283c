"""A recorded sample is the sample that the service reads: files and topics are read by the same rules."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from stream_al.datasets.form import Noticed
from stream_al.datasets.rows import Wanted, rows
from stream_al.engine.labels.spelling import AllowedClasses
from stream_al.engine.samples.paths import named
from stream_al.engine.samples.sample import InputRules, read_sample
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import Example, decode, decode_json

RULES = [
    InputRules(),
    InputRules(id="transaction.id", features="transaction"),
    InputRules(id="transaction.id", features="transaction", exclude=("shop.*",)),
    InputRules(id="transaction.id", features=".", include=("transaction.*",), payload="transaction.shop"),
    InputRules(id="position", features="transaction.shop"),
]
records = st.fixed_dictionaries(
    {
        "transaction": st.fixed_dictionaries(
            {
                "id": st.sampled_from(["t1", "007", "x5"]),
                "amount": st.integers(0, 99),
                "shop": st.fixed_dictionaries(
                    {
                        "city": st.sampled_from(["Rome", "Bern"]),
                        "open": st.booleans(),
                        "size": st.floats(0, 1),
                    }
                ),
            }
        ),
        "truth": st.fixed_dictionaries({"kind": st.sampled_from(["up", "down"])}),
    }
)


def flat(record: Any) -> dict[str, Any]:
    def value(path: str) -> Any:
        found = record
        for part in path.split("."):
            found = found[part]
        return found

    return {path: value(path) for path in named(record)}


def write(directory: Path, record: dict[str, Any]) -> list[Path]:
    """The record as JSON, as nested and flat Parquet, and as CSV."""
    paths = [directory / f"{n}" for n in range(4)]
    paths[0].write_text(json.dumps(record))
    parquet.write_table(pa.Table.from_pylist([record]), paths[1])
    columns = flat(record)
    parquet.write_table(pa.Table.from_pylist([columns]), paths[2])
    paths[3].write_text(f"{','.join(columns)}\n{','.join(map(str, columns.values()))}\n")
    return paths


@pytest.mark.parametrize("rules", RULES)
@given(record=records)
@settings(
    derandomize=True,
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_row_of_any_file_is_the_sample_of_the_service(
    tmp_path: Path, rules: InputRules, record: dict[str, Any]
) -> None:
    stream = {name: member for name, member in record.items() if name != "truth"}  # it has no label yet
    sample = read_sample(stream, rules, key=None, position="row-1")
    for path in write(tmp_path, record):
        (row,) = rows(path, Wanted(rules, label="truth.kind", source="row"))
        assert (row.id, row.features, row.label) == (sample.id, sample.features, record["truth"]["kind"])


def test_label_and_times_are_found_by_path_or_by_a_name_with_dots(tmp_path: Path) -> None:
    path = tmp_path / "s"
    nested = {"x": 1, "meta": {"at": "2026-01-01", "seen": 7, "kind": "a"}}
    for record in (nested, flat(nested)):
        path.write_text(json.dumps(record))
        (row,) = rows(path, Wanted(label="meta.kind", time="meta.at", label_time="meta.seen"))
        assert (row.label, row.time, row.label_time) == ("a", "2026-01-01", 7)
        assert row.features == {"x": 1, "meta.at": "2026-01-01"}  # what is known only with the label is none
    path.write_text("x,meta.at,meta.seen,meta.kind\n1,2026-01-01,7,a\n")
    (row,) = rows(path, Wanted(label="meta.kind", time="meta.at", label_time="meta.seen"))
    assert (row.features, row.label, row.time) == ({"x": 1, "meta.at": "2026-01-01"}, "a", "2026-01-01")


def test_a_row_without_an_id_has_one_of_its_source_and_number(tmp_path: Path) -> None:
    """A file has no keys, so a stream whose ids are keys has none in a file."""
    path = tmp_path / "s"
    path.write_text("id,x,label\n007,1,a\n,2,b\n")
    assert [row.id for row in rows(path, Wanted(source="s"))] == ["007", "s-2"]
    assert [row.id for row in rows(path, Wanted(InputRules(id="key"), source="s"))] == ["s-1", "s-2"]
    assert [row.id for row in rows(path, Wanted(InputRules(id="id")))] == ["007"]
    with pytest.raises(Misconfigured, match=r"nothing at `txn.id`.* say --id position"):
        list(rows(path, Wanted(InputRules(id="txn.id"))))


def test_labels_name_the_classes_that_the_settings_list(tmp_path: Path) -> None:
    """As the labels of annotators do: a label that looks like one of them is it, another is refused."""
    (tmp_path / "s").write_text("x,label\n1,0\n1,1\n1,unsure\n")
    noticed = Noticed()
    wanted = Wanted(allowed=AllowedClasses([0, 1]))
    assert [row.label for row in rows(tmp_path / "s", wanted, noticed)] == [0, 1]
    assert noticed.refused == {"unknown_class": 1}


def test_a_record_that_the_service_refuses_is_no_row(tmp_path: Path) -> None:
    rules = InputRules(max_depth=2)
    record = {"a": {"b": {"c": 1}}, "label": "up"}
    with pytest.raises(BadMessage, match="deeper"):
        read_sample(record, rules, key=None, position="p")
    (tmp_path / "s").write_text(json.dumps(record))
    with pytest.raises(Misconfigured, match="too_deep"):
        list(rows(tmp_path / "s", Wanted(rules)))


LABELS = [
    "a" * 512,
    "a" * 513,
    " " * 600 + "a",
    "é" * 512,
    2**63,
    2**64,
    -(2**65),
    0,
    1.5,
    1e300,
    True,
    "",
    " ",
]


@pytest.mark.parametrize("label", LABELS, ids=lambda label: repr(label)[:12])
def test_a_label_of_a_file_is_one_that_the_service_reads(tmp_path: Path, label: Any) -> None:
    """An import writes it into the log of examples, where every replica would else refuse it for ever."""
    record = {"id": "a", "features": {"x": 1}, "label": label}
    expected: list[Any] = []
    with suppress(BadMessage):
        expected = [decode(Example, json.dumps(record).encode(), max_bytes=10_000).label]
    (tmp_path / "s").write_text(f'{json.dumps(record)}\n{{"x": 1, "label": "other"}}\n')
    assert [row.label for row in rows(tmp_path / "s")] == [*expected, "other"]


def test_an_infinite_label_means_no_value_in_every_table(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"x": [1, 2], "label": [float("inf"), 2.0]}), tmp_path / "s.parquet")
    (tmp_path / "s.csv").write_text("x,label\n1,inf\n2,2.0\n")
    for name in ("s.parquet", "s.csv"):
        assert [row.label for row in rows(tmp_path / name)] == [2]


LINES = [
    *("[" * 300 + "]" * 300, "[" * 100_000, '{"x": 1e999}', f'{{"x": {"9" * 5000}}}', '{"x": NaN}', "x"),
    f'{{"x": [{",".join(["{}"] * 50_001)}]}}',
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:9])
def test_a_line_is_refused_for_the_reason_of_the_service(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_sample(decode_json(line.encode(), max_bytes=10**6), InputRules(), key=None, position="p")
    (tmp_path / "s.jsonl").write_text(f'{{"x": 1, "label": "a"}}\n{line}\n')
    noticed = Noticed()
    assert len(list(rows(tmp_path / "s.jsonl", noticed=noticed))) == 1
    assert noticed.refused == {caught.value.reason: 1}
