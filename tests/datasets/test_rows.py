"""The laws of reading a recorded stream."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.datasets.rows import LOOK_AHEAD_ROWS, Row, parse_label, rows
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel

CSV = """x,word,_note,y,label
1,a,first,0.5,UP
2.0,,second,-3,DOWN
,nan,third,1e3,3
"""
ROWS = [
    Row({"x": 1, "word": "a", "y": 0.5}, "UP", {"_note": "first"}),
    Row({"x": 2.0, "y": -3}, "DOWN", {"_note": "second"}),
    Row({"word": "nan", "y": 1000.0}, 3, {"_note": "third"}),
]


def write(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def mistake(path: Path, label: str | None = None) -> str:
    with pytest.raises(Misconfigured) as caught:
        list(rows(path, label))
    (only,) = caught.value.mistakes
    assert only.startswith(str(path))
    return only


# --- CSV -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz", "some.stream.v2.csv"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_csv_gives_its_rows_in_order(tmp_path: Path, name: str, newline: str) -> None:
    """The last column is the label, `_` begins a note, an empty cell is missing."""
    found = list(rows(write(tmp_path, name, CSV.replace("\n", newline))))
    assert found == ROWS
    assert [type(value) for value in found[0].features.values()] == [int, str, float]
    assert type(found[1].features["x"]) is float


def test_another_column_may_be_the_label_and_the_last_is_then_a_feature(tmp_path: Path) -> None:
    found = list(rows(write(tmp_path, "s.csv", CSV), "word"))
    assert [row.label for row in found] == ["a", "nan"]  # the second has none and is passed over
    assert found[0].features == {"x": 1, "y": 0.5, "label": "UP"}
    assert next(iter(rows(write(tmp_path, "t.csv", CSV), "_note"))).label == "first"


def test_a_row_without_a_label_is_passed_over(tmp_path: Path) -> None:
    assert [r.label for r in rows(write(tmp_path, "s.csv", "x,label\n1,a\n2,\n\n3,b\n"))] == ["a", "b"]


def test_a_quoted_cell_keeps_its_commas_and_lines(tmp_path: Path) -> None:
    (row,) = rows(write(tmp_path, "s.csv", 'text,label\n"a, ""b""\nc",x\n'))
    assert row.features == {"text": 'a, "b"\nc'}


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    """Spreadsheets write a byte order mark."""
    (row,) = rows(write(tmp_path, "s.csv", "\ufeffx,label\n1,a\n"))
    assert row.features == {"x": 1}
    (row,) = rows(write(tmp_path, "s.jsonl", '\ufeff{"x":1,"label":"a"}\n'))
    assert row.features == {"x": 1}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("1.0", 1.0),
        ("1e2", 100),
        (" 2", 2),
        ("0.1", 0.1),
        ("9007199254740993", 9007199254740992.0),
        ("inf", "inf"),
        ("NaN", "NaN"),
        ("1e999", "1e999"),
        ("true", "true"),
        ("1,5", "1,5"),
        ("x", "x"),
    ],
)
def test_a_cell_that_reads_as_a_finite_number_is_one(tmp_path: Path, cell: str, value: float | str) -> None:
    (row,) = rows(write(tmp_path, "s.csv", f'x,label\n"{cell}",a\n'))
    assert row.features == {"x": value}
    assert type(row.features["x"]) is type(value)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("3", 3),
        ("0", 0),
        ("-1", -1),
        ("007", "007"),
        ("-0", "-0"),
        ("1.5", "1.5"),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("²", "²"),
        ("٣", "٣"),
        ("--1", "--1"),
        ("-", "-"),
        ("9" * 15, int("9" * 15)),
        ("9" * 16, "9" * 16),
    ],
)
def test_a_label_is_a_whole_number_a_truth_value_or_text(text: str, label: ClassLabel) -> None:
    assert (parse_label(text), type(parse_label(text))) == (label, type(label))


@settings(derandomize=True, deadline=None)
@given(text=st.text() | st.integers().map(str) | st.floats().map(str))
def test_a_label_keeps_what_was_written(text: str) -> None:
    label = parse_label(text)
    assert (label if isinstance(label, str) else json.dumps(label)) == text


# --- JSON lines ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.jsonl", "s.json", "s.ndjson", "s.jsonl.gz", "s.ndjson.gz"])
def test_json_lines_give_their_rows_in_order(tmp_path: Path, name: str) -> None:
    lines = [
        {"x": 1, "deep": {"y": [2]}, "_note": 7, "label": "a"},
        {"features": {"x": 2.5}, "id": "n", "label": False},
        {"features": 3, "label": 1.5},
        {"x": None, "label": 0},
    ]
    text = "\n\n".join(json.dumps(line) for line in lines) + "\n"
    assert list(rows(write(tmp_path, name, text))) == [
        Row({"x": 1, "deep": {"y": [2]}}, "a", {"_note": "7"}),
        Row({"x": 2.5}, False),
        Row({"features": 3}, 1.5),
        Row({"x": None}, 0),
    ]


def test_another_member_may_be_the_label(tmp_path: Path) -> None:
    assert list(rows(write(tmp_path, "s.jsonl", '{"truth":"a","label":2}'), "truth")) == [
        Row({"label": 2}, "a")
    ]


@pytest.mark.parametrize("line", ["[]", "7", "{}", '{"label":null}', '{"label":[1]}', '{"label":{"a":1}}'])
def test_a_line_without_a_usable_label_is_a_mistake_with_its_number(tmp_path: Path, line: str) -> None:
    text = mistake(write(tmp_path, "s.jsonl", f'{{"label":"a"}}\n{line}\n'))
    assert "line 2" in text
    assert "'label'" in text


@pytest.mark.parametrize("line", ["{", "x", '{"label":NaN}', "[" * 100_000, '{"a":' * 100_000, '"\\ud800"'])
def test_a_line_that_is_not_json_is_a_mistake_with_its_number(tmp_path: Path, line: str) -> None:
    assert "line 2" in mistake(write(tmp_path, "s.jsonl", f'{{"label":"a"}}\n{line}\n'))


# --- Files that cannot be used ---------------------------------------------------------------------------


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    assert "no such file" in mistake(tmp_path / "none.csv")


@pytest.mark.parametrize("name", ["s.txt", "s", "s.gz", "s.arrow", "csv"])
def test_a_file_of_an_unknown_format_is_refused_and_the_formats_are_named(tmp_path: Path, name: str) -> None:
    assert ".jsonl" in mistake(write(tmp_path, name, CSV))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "s.csv").mkdir()
    assert "cannot be read" in mistake(tmp_path / "s.csv")


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz"])
def test_an_empty_csv_is_a_mistake_and_one_with_only_a_header_is_not(tmp_path: Path, name: str) -> None:
    assert "empty" in mistake(write(tmp_path, name, ""))
    assert list(rows(write(tmp_path, name, "x,label\n"))) == []


def test_an_empty_file_of_json_lines_is_an_empty_stream(tmp_path: Path) -> None:
    assert list(rows(write(tmp_path, "s.jsonl", "\n\n"))) == []


@pytest.mark.parametrize("line", ["1", "1,2,3,4", "1,2,"])
def test_a_ragged_line_is_a_mistake_with_its_number(tmp_path: Path, line: str) -> None:
    text = mistake(write(tmp_path, "s.csv", f"x,label\n1,a\n{line}\n"))
    assert "line 3" in text


def test_a_label_that_no_column_holds_is_a_mistake_that_names_the_columns(tmp_path: Path) -> None:
    text = mistake(write(tmp_path, "s.csv", CSV), "truth")
    assert "'truth'" in text
    assert "x, word, _note, y, label" in text


@pytest.mark.parametrize("name", ["s.csv", "s.jsonl"])
def test_bytes_that_are_no_text_are_a_mistake(tmp_path: Path, name: str) -> None:
    assert "cannot be read" in mistake(write(tmp_path, name, b"x,label\n\xff,a\n"))


@pytest.mark.parametrize("name", ["s.csv.gz", "s.jsonl.gz"])
def test_a_damaged_archive_is_a_mistake(tmp_path: Path, name: str) -> None:
    content = CSV * 100 if "csv" in name else '{"x":1,"label":"a"}\n' * 100
    path = write(tmp_path, name, content)
    whole = path.read_bytes()
    for spoilt in (whole[:-12], whole[:20] + bytes(20) + whole[40:], whole[:11] + b"\xff" + whole[12:]):
        path.write_bytes(spoilt)
        assert "cannot be read" in mistake(path)


def test_compression_is_recognised_by_content_and_not_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "s.csv", CSV)
    path.write_bytes(gzip.compress(CSV.encode()))
    assert list(rows(path)) == ROWS
    path = tmp_path / "t.csv.gz"
    path.write_text(CSV)
    assert list(rows(path)) == ROWS


def test_rows_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    """A long stream does not fill the memory: a mistake in a later row is found when that row is read."""
    good = 2 * LOOK_AHEAD_ROWS
    stream = rows(write(tmp_path, "s.csv", "x,label\n" + "1,a\n" * good + "1,2,3\n"))
    for _ in range(good):
        assert next(stream) == Row({"x": 1}, "a")
    with pytest.raises(Misconfigured):
        next(stream)


def test_a_column_holds_numbers_or_text_but_not_both(tmp_path: Path) -> None:
    """A text that looks like a number is still a text, because a model of texts would fail on a number."""
    found = list(rows(write(tmp_path, "s.csv", "x,y,label\n645,1,a\nhello,2,b\n")))
    assert [row.features for row in found] == [{"x": "645", "y": 1}, {"x": "hello", "y": 2}]
