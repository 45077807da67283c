"""The laws of reading a recorded stream."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.datasets.columns import WINDOW_ROWS
from stream_al.datasets.form import FileForm, Noticed
from stream_al.datasets.labels import parse_label
from stream_al.datasets.rows import Wanted, rows
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel

CSV = """x,word,_note,y,label
1,a,first,0.5,UP
2.0,,second,-3,DOWN
,nan,third,1e3,UP
"""
ROWS = [
    ({"x": 1, "word": "a", "y": 0.5}, "UP"),
    ({"x": 2.0, "y": -3}, "DOWN"),
    ({"word": "nan", "y": 1000.0}, "UP"),
]


def write(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(path: Path, label: str | None = None) -> list[tuple[dict[str, Any], ClassLabel]]:
    return [(row.features, row.label) for row in rows(path, Wanted(label=label))]


def mistake(path: Path, label: str | None = None) -> str:
    with pytest.raises(Misconfigured) as caught:
        list(rows(path, Wanted(label=label)))
    (only,) = caught.value.mistakes
    assert only.startswith(str(path))
    return only


# --- CSV -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz", "some.stream.v2.csv", "s.txt", "s"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_csv_gives_its_rows_in_order(tmp_path: Path, name: str, newline: str) -> None:
    """Whatever its name: the last column is the label, `_` begins a note, an empty cell is missing."""
    found = read(write(tmp_path, name, CSV.replace("\n", newline)))
    assert found == ROWS
    assert [type(value) for value in found[0][0].values()] == [int, str, float]
    assert type(found[1][0]["x"]) is float


def test_another_column_may_be_the_label(tmp_path: Path) -> None:
    """If none is named, it is the column `label`, or the last one."""
    found = read(write(tmp_path, "s.csv", CSV), "word")
    assert [label for _, label in found] == ["a"]  # the others have none, since nan is none
    assert found[0][0] == {"x": 1, "y": 0.5, "label": "UP"}
    assert read(write(tmp_path, "t.csv", CSV), "_note")[0][1] == "first"
    assert read(write(tmp_path, "u.csv", "label,x\na,1\n")) == [({"x": 1}, "a")]
    assert read(write(tmp_path, "v.csv", "x,kind\n1,a\n")) == [({"x": 1}, "a")]


def test_a_row_without_a_label_is_left_out_and_counted(tmp_path: Path) -> None:
    noticed = Noticed()
    path = write(tmp_path, "s.csv", "x,label\n1,a\n2,\n\n3,b\n4,NA\n")
    assert [row.label for row in rows(path, noticed=noticed)] == ["a", "b"]
    assert list(noticed.sentences()) == ["left out: 2 rows without a label"]


def test_a_row_without_a_usable_sample_is_left_out_with_its_reason(tmp_path: Path) -> None:
    """As the service puts such a record aside. If no row can be used, that is a mistake."""
    noticed = Noticed()
    path = write(tmp_path, "s.jsonl", '{"label":"a"}\n{"x":1,"label":"b"}\n{"x":1,"label":[]}\n')
    assert [row.label for row in rows(path, noticed=noticed)] == ["b"]
    assert noticed.refused == {"no_features": 1, "bad_label": 1}
    assert "no_features): line 1: the sample has no features" in mistake(
        write(tmp_path, "t.jsonl", '{"label":"a"}\n')
    )


def test_a_quoted_cell_keeps_its_commas_and_lines(tmp_path: Path) -> None:
    (row,) = rows(write(tmp_path, "s.csv", 'text,label\n"a, ""b""\nc",x\n'))
    assert row.features == {"text": 'a, "b"\nc'}


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("3", "0"), [3, 0]),
        (("true", "False"), [True, False]),
        (("1.0", "0.0", ""), [1, 0]),  # as data frames write whole numbers beside a missing one
        (("1.5", "2.5"), [1.5, 2.5]),
        (("007", "12"), ["007", "12"]),
        (("3", "up"), ["3", "up"]),
        (("None", "-", "x"), ["None", "-", "x"]),
        (("'1", "'2"), ["1", "2"]),
        ((" up", "up "), ["up", "up"]),
    ],
)
def test_the_labels_of_a_column_have_one_type(
    tmp_path: Path, labels: tuple[str, ...], found: list[ClassLabel]
) -> None:
    path = write(tmp_path, "s.csv", "x,label\n" + "".join(f"1,{label}\n" for label in labels))
    read_ = [label for _, label in read(path)]
    assert [(label, type(label)) for label in read_] == [(label, type(label)) for label in found]


@settings(derandomize=True, deadline=None)
@given(text=st.text() | st.integers().map(str) | st.floats().map(str))
def test_a_label_keeps_what_was_written(text: str) -> None:
    label = parse_label(text)
    assert (label if isinstance(label, str) else json.dumps(label)) == text


def test_one_odd_cell_among_numbers_is_missing_and_not_text(tmp_path: Path) -> None:
    """A number in the stream and a text in the file would be two features to the model."""
    for odd in ("NA", "?", "", "NaN", "-"):
        path = write(tmp_path, "s.csv", f"x,y,label\n1,0.5,a\n2,{odd},b\n3,7,a\n")
        assert [features for features, _ in read(path)] == [{"x": 1, "y": 0.5}, {"x": 2}, {"x": 3, "y": 7}]
    path = write(tmp_path, "s.csv", "x,vip,label\n1,True,a\n2,False,b\n")
    assert [features["vip"] for features, _ in read(path)] == [True, False]


def test_a_column_that_is_text_because_of_few_cells_is_remarked(tmp_path: Path) -> None:
    path = write(tmp_path, "s.csv", "x,y,label\n" + "1,1,a\n" * 30 + "unknown,2,b\n")
    noticed = Noticed()
    assert next(rows(path, noticed=noticed)).features == {"x": "1", "y": 1}
    (remark,) = noticed.sentences()
    assert "'x' is text because of 'unknown'" in remark
    assert "--missing 'unknown'" in remark
    named = Wanted(form=FileForm(missing=("unknown",)))
    assert [row.features for row in rows(path, named)] == [{"x": 1, "y": 1}] * 30 + [{"y": 2}]


def test_codes_with_leading_zeros_are_not_called_missing_values(tmp_path: Path) -> None:
    """Who followed the remark would lose the postal code 02139."""
    path = write(tmp_path, "s.csv", "zip,y,label\n" + "94107,1,a\n" * 30 + "02139,2,b\n")
    noticed = Noticed()
    assert [row.features["zip"] for row in rows(path, noticed=noticed)][-1] == "02139"
    assert list(noticed.sentences()) == []


def test_a_cell_after_the_first_rows_that_is_no_number_is_missing_and_counted(tmp_path: Path) -> None:
    noticed = Noticed()
    path = write(tmp_path, "s.csv", "x,y,label\n" + "1,1,a\n" * WINDOW_ROWS + "oops,2,b\nNA,3,b\n")
    assert [row.features for row in rows(path, noticed=noticed)][-2:] == [{"y": 2}, {"y": 3}]
    (remark,) = noticed.sentences()
    assert f"'oops' in line {WINDOW_ROWS + 2}" in remark
    texts = Wanted(form=FileForm(texts=("x",)))
    assert next(rows(path, texts)).features == {"x": "1", "y": 1}


# --- JSON lines ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.jsonl", "s.json", "s.ndjson", "s.jsonl.gz", "s.ndjson.gz"])
def test_json_lines_give_their_rows_in_order(tmp_path: Path, name: str) -> None:
    lines = [
        {"x": 1, "deep": {"y": [2]}, "_note": 7, "label": "a"},
        {"features": {"x": 2.5}, "id": "n", "label": False},
        {"features": 3, "label": 1.5},
        {"x": None, "y": 1, "label": 0},
    ]
    text = "\n\n".join(json.dumps(line) for line in lines) + "\n"
    expected = [
        ({"x": 1, "deep.y.0": 2, "_note": 7}, "a"),
        ({"x": 2.5}, False),
        ({"features": 3}, 1.5),
        ({"y": 1}, 0),
    ]
    assert read(write(tmp_path, name, text)) == expected
    others = [
        json.dumps(lines),
        json.dumps(lines, indent=2),
        "\n".join(json.dumps(x, indent=1) for x in lines),
    ]
    for other in others:  # an array, one of many lines, and objects of many lines
        assert read(write(tmp_path, name, other)) == expected


def test_an_array_larger_than_the_pieces_in_which_it_is_read_gives_all_its_rows(tmp_path: Path) -> None:
    """Wherever a piece ends: in a text, in a number, or within an escaped character."""
    lines = [{"x": k * 1.5, "text": 'é"\\' * (k % 50), "label": k % 2} for k in range(3000)]
    for indent in (None, 3):
        found = read(write(tmp_path, "s.json", json.dumps(lines, indent=indent)))
        assert [features.get("x") for features, _ in found] == [line["x"] for line in lines]


@pytest.mark.parametrize("between", ["\n", "", " , ", "\n" * 100_000])
def test_all_arrays_of_a_file_are_read(tmp_path: Path, between: str) -> None:
    """Programs that fetch pages write an array for each."""
    pages = [[{"x": 1, "label": "a"}, {"x": 2, "label": "b"}], [], [{"x": 3, "label": "a"}]]
    found = read(write(tmp_path, "s.json", between.join(map(json.dumps, pages)) + "\n"))
    assert found == [({"x": 1}, "a"), ({"x": 2}, "b"), ({"x": 3}, "a")]


@pytest.mark.parametrize(
    "text",
    [
        '[{"x":1,"label":"a"}] and more',
        '[{"x":1,"label":"a"}]\n{"x":2,"label":"b"}\n',
        '[{"x":1,"label":"a"}]]',
        '[{"x":1,"label":"a"}]\n[',
        '[{"x":1,"label":"a"},{"x":',
        '[{"x":1,"label":"a"}',
        '[{"x":NaN,"label":"a"}]',
        '[{"x":1,"label":"a"},{x:1}]' + " " * 100,
        '[{"x":1,"label":"a"},7]',
        '[{"x":"\\ud800","label":"a"}]',
        "[{" + '"a":{' * 100_000,
    ],
)
def test_a_mistake_in_an_array_is_one_sentence(tmp_path: Path, text: str) -> None:
    assert "\n" not in mistake(write(tmp_path, "s.json", text))


def test_another_member_may_be_the_label(tmp_path: Path) -> None:
    assert read(write(tmp_path, "s.jsonl", '{"truth":"a","label":2}'), "truth") == [({"label": 2}, "a")]


# --- Files that cannot be used ---------------------------------------------------------------------------


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    assert "no such file" in mistake(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04 and more", "Excel: save the sheet as CSV"),
        (b"BZh9", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"Obj\x01", "Avro"),
    ],
)
def test_a_file_of_a_format_that_is_not_read_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in mistake(write(tmp_path, "s.csv", content))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "s.csv").mkdir()
    assert "cannot be read" in mistake(tmp_path / "s.csv")


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz"])
def test_an_empty_csv_is_a_mistake_and_one_with_only_a_header_is_not(tmp_path: Path, name: str) -> None:
    assert "empty" in mistake(write(tmp_path, name, ""))
    assert list(rows(write(tmp_path, name, "x,label\n"))) == []


def test_an_empty_file_of_json_lines_is_an_empty_stream(tmp_path: Path) -> None:
    assert list(rows(write(tmp_path, "s.jsonl", "\n\n"))) == []


def test_a_label_that_no_column_holds_is_a_mistake_that_names_the_columns(tmp_path: Path) -> None:
    text = mistake(write(tmp_path, "s.csv", CSV), "truth")
    assert "'truth'" in text
    assert "x, word, _note, y, label" in text
    assert "did you mean 'word'?" in mistake(write(tmp_path, "s.csv", CSV), "wrod")
    nested = '{"x":1,"truth":{"kind":"a"}}'
    assert "did you mean 'truth.kind'?" in mistake(write(tmp_path, "s.jsonl", nested), "kind")


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
    assert read(path) == ROWS
    path = tmp_path / "t.csv.gz"
    path.write_text(CSV)
    assert read(path) == ROWS


def test_rows_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    """A long stream does not fill the memory: a mistake in a later row is found when that row is read."""
    good = 2 * WINDOW_ROWS
    stream = rows(write(tmp_path, "s.csv", "x,label\n" + "1,a\n" * good + "1,2,3\n"))
    for _ in range(good):
        assert next(stream).features == {"x": 1}
    with pytest.raises(Misconfigured):
        next(stream)


def test_a_column_holds_numbers_or_text_but_not_both(tmp_path: Path) -> None:
    """A text that looks like a number is still a text, because a model of texts would fail on a number."""
    found = list(rows(write(tmp_path, "s.csv", "x,y,label\n645,1,a\nhello,2,b\n")))
    assert [row.features for row in found] == [{"x": "645", "y": 1}, {"x": "hello", "y": 2}]
