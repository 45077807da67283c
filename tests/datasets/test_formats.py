"""The same rows in any format are the same stream."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from stream_al.datasets.form import Noticed
from stream_al.datasets.rows import Wanted, rows
from stream_al.errors import Misconfigured

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.one_of(st.none(), st.integers(-(2**40), 2**40)),
    "broken": st.one_of(st.none(), st.floats(-1e6, 1e6).map(lambda x: round(x, 3) + 0.5)),
    "word": st.one_of(st.none(), st.sampled_from(["a", "b c", 'd"e', "f,g", "é"])),
    "shop.size": st.one_of(st.none(), st.integers(0, 9)),
    "label": st.sampled_from(["up", "down"]),
}
tables = st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=12)


def write_csv(path: Path, table: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(CELLS))
        writer.writeheader()
        writer.writerows(table)


def write_json(path: Path, table: list[dict[str, Any]]) -> None:
    lines = ({k: v for k, v in row.items() if v is not None} for row in table)
    path.write_text("\n".join(map(json.dumps, lines)))


def write_parquet(path: Path, table: list[dict[str, Any]]) -> None:
    parquet.write_table(pa.Table.from_pylist(table, schema=SCHEMA), path)


TYPES = {"whole": pa.int64(), "broken": pa.float64(), "shop.size": pa.int64()}
SCHEMA = pa.schema([(name, TYPES.get(name, pa.string())) for name in CELLS])
WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    "s.csv": write_csv,
    "s.jsonl": write_json,
    "s.parquet": write_parquet,
}


@given(table=tables)
@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_json_lines_and_parquet_give_the_same_rows(tmp_path: Path, table: list[dict[str, Any]]) -> None:
    found = []
    table = [*table, {**dict.fromkeys(CELLS), "whole": 1, "label": "up"}]  # one row has a feature at least
    for name, write in WRITERS.items():
        write(tmp_path / name, table)
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        found += [list(rows(tmp_path / name)), list(rows(packed))]
    assert all(each == found[0] for each in found)
    full = [row for row in table if any(value is not None for name, value in row.items() if name != "label")]
    assert [row.label for row in found[0]] == [row["label"] for row in full]


def parquet_of(path: Path, **columns: list[Any]) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_types_that_only_parquet_has_are_converted(tmp_path: Path) -> None:
    """A time becomes text, a decimal a number; NaN is missing, and a row without a label is left out."""
    path = parquet_of(
        tmp_path / "s.parquet",
        at=[datetime(2026, 1, 2, 3, tzinfo=UTC), None, None],
        price=[Decimal("1.5"), Decimal("2.5"), Decimal("3.5")],
        x=[float("nan"), 1.0, 2.0],
        label=[True, None, False],
    )
    assert [(row.features, row.label) for row in rows(path)] == [
        ({"at": "2026-01-02T03:00:00+00:00", "price": 1.5}, True),
        ({"price": 3.5, "x": 2.0}, False),
    ]


def test_a_type_without_a_counterpart_in_json_costs_no_row(tmp_path: Path) -> None:
    """One column of durations, bytes or maps would else leave out every row of the file."""
    table = pa.table(
        {
            "waited": pa.array([timedelta(seconds=90), None], pa.duration("us")),
            "shop": pa.array([b"caf\xc3\xa9", b"\xff"], pa.binary()),
            "tags": pa.array([[("vip", 1)], []], pa.map_(pa.string(), pa.int64())),
            "x": [1, 2],
            "label": ["a", "b"],
        }
    )
    parquet.write_table(table, tmp_path / "s.parquet")
    assert [row.features for row in rows(tmp_path / "s.parquet")] == [
        {"waited": 90.0, "shop": "café", "tags.vip": 1, "x": 1},
        {"shop": "/w==", "x": 2},
    ]


def test_ids_that_are_uuids_are_their_texts(tmp_path: Path) -> None:
    ids = [UUID(int=7), UUID(int=2**127)]
    table = {"id": pa.array([one.bytes for one in ids], pa.uuid()), "x": [1, 2], "label": ["a", "b"]}
    parquet.write_table(pa.table(table), tmp_path / "s.parquet")
    assert [row.id for row in rows(tmp_path / "s.parquet")] == list(map(str, ids))


def test_columns_of_one_name_are_a_mistake_in_every_table(tmp_path: Path) -> None:
    """One of them would be lost."""
    names = ["x", "x", "label"]
    (tmp_path / "s.csv").write_text(f"{','.join(names)}\n1,2,a\n")
    columns = [pa.array([1]), pa.array([2]), pa.array(["a"])]
    parquet.write_table(pa.Table.from_arrays(columns, names=names), tmp_path / "s.parquet")
    for name in ("s.csv", "s.parquet"):
        with pytest.raises(Misconfigured, match="the columns 1 and 2 have one name, 'x': rename one"):
            list(rows(tmp_path / name))


def test_a_time_beyond_the_calendar_names_its_column(tmp_path: Path) -> None:
    """Microseconds taken for milliseconds lie in a year that Python has no date for."""
    late = pa.array([1_767_225_600_000_000], pa.timestamp("ms"))
    parquet.write_table(pa.table({"x": [1], "at": late, "label": ["a"]}), tmp_path / "s.parquet")
    with pytest.raises(Misconfigured, match=r"column 'at' cannot be read: .*from 1 to 9999"):
        list(rows(tmp_path / "s.parquet"))


BAD_LINES = [
    *('{"x": 2, "la', '{"x": NaN, "label": "b"}', "[2]", "7", "x", "\x00", '"\\ud800"'),
    *("[" * 100_000, '{"a":' * 100_000),
]


@pytest.mark.parametrize("bad", BAD_LINES, ids=[line[:9] for line in BAD_LINES])
def test_a_line_that_is_no_record_is_left_out_and_counted(tmp_path: Path, bad: str) -> None:
    """The service puts one such record aside, and goes on."""
    path = tmp_path / "s.jsonl"
    path.write_text(f'{{"x": 1, "label": "a"}}\n{bad}\n{{"x": 3, "label": "b"}}\n')
    noticed = Noticed()
    found = [(row.features["x"], row.id) for row in rows(path, noticed=noticed)]
    assert found == [(1, "row-1"), (3, "row-3")]  # so a line that is corrected changes no id of another one
    (said,) = noticed.sentences()
    assert "1 row without a usable sample" in said
    assert "line 2" in said
    assert ("write null" in said) == ("NaN" in bad)


def test_arrays_on_lines_are_no_csv(tmp_path: Path) -> None:
    """`[1, 2, "a"]` has commas, and would be read as a CSV with the feature `[1`."""
    path = tmp_path / "s.jsonl"
    path.write_text('[1, 2, "a"]\n[3, 4, "b"]\n')
    with pytest.raises(Misconfigured, match="it is no object, and a record is one"):
        list(rows(path))


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_around_the_records_is_told_with_the_way_out(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "recorded.json"
    records = [{"x": 1.5, "label": "a"}, {"x": 2.5, "label": "b"}]
    path.write_text(json.dumps({"total": 2, "data": records}, indent=indent))
    with pytest.raises(
        Misconfigured, match=r"its member 'data' is an array of objects: .*jq '\.\[\"data\"\]'"
    ):
        list(rows(path))


def test_another_column_of_a_parquet_file_may_be_the_label(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "s.parquet", kind=["a", "b"], x=[1, 2])
    assert [row.label for row in rows(path, Wanted(label="kind"))] == ["a", "b"]
    assert [row.label for row in rows(path)] == [1, 2]


@pytest.mark.parametrize(
    ("content", "label", "said"),
    [
        (b"x,label\n1,a\n", None, "no Parquet file"),
        (b"", None, "no Parquet file"),
        ({"x": [1], "label": ["a"]}, "kind", "there is no column 'kind'"),
        ({"x": [1], "label": [[1, 2]]}, None, "row 1: `label` holds no text, number or truth value"),
    ],
)
def test_a_mistake_in_a_parquet_file_is_one_sentence(
    tmp_path: Path, content: bytes | dict[str, Any], label: str | None, said: str
) -> None:
    path = tmp_path / "s.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        parquet_of(path, **content)
    with pytest.raises(Misconfigured, match=said) as caught:
        list(rows(path, Wanted(label=label)))
    assert "\n" not in str(caught.value)


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet_of(tmp_path / "s.parquet", x=[1], label=["a"])
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(Misconfigured, match=r"stream_al\[parquet\]"):
        list(rows(path))
