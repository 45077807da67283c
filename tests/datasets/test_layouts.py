"""A table in any layout is understood, or one sentence says what was found and what to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_al.datasets.form import FileForm, Noticed
from stream_al.datasets.rows import Wanted, rows
from stream_al.errors import Misconfigured

PLAIN = "x,y,label\n1.5,red,a\n2.5,blue,b\n"
FOUND = [({"x": 1.5, "y": "red"}, "a"), ({"x": 2.5, "y": "blue"}, "b")]
EUROPEAN = PLAIN.replace(",", ";").replace(".", ",")


def written(directory: Path, content: str | bytes) -> Path:
    path = directory / "recorded.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


UNDERSTOOD: dict[str, tuple[str | bytes, FileForm]] = {
    "commas": (PLAIN, FileForm()),
    "semicolons": (PLAIN.replace(",", ";"), FileForm()),
    "tabs": (PLAIN.replace(",", "\t"), FileForm()),
    "pipes": (PLAIN.replace(",", "|"), FileForm()),
    "spaces, named": (PLAIN.replace(",", " "), FileForm(delimiter="space")),
    "another delimiter, named": (PLAIN.replace(",", "^"), FileForm(delimiter="^")),
    "semicolons and decimal commas": (EUROPEAN, FileForm()),
    "decimal commas between quotation marks": (
        'x,y,label\n"1,5",red,a\n"2,5",blue,b\n',
        FileForm(decimal=","),
    ),
    "a byte order mark": ("\ufeff" + PLAIN, FileForm()),
    "UTF-16": (PLAIN.encode("utf-16"), FileForm()),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-be"), FileForm()),
    "UTF-32": (PLAIN.encode("utf-32"), FileForm()),
    "a code page, named": (PLAIN.encode("cp1252"), FileForm(encoding="cp1252")),
    "commas in the texts of a file with semicolons": (
        "x;y;label\n1,5;red;a\n2,5;blue;b\n",
        FileForm(delimiter=";"),
    ),
    "blanks around names": (PLAIN.replace("x,y,label", " x , y ,label "), FileForm()),
    "a delimiter at the end of every line": (PLAIN.replace("\n", ",\n"), FileForm()),
    "delimiters at the end of the rows": (PLAIN.replace("a\n", "a,,\n"), FileForm()),
    "blank lines, and lines of delimiters": (PLAIN.replace("a\n", "a\n\n,,\n"), FileForm()),
    "a column of row numbers without a name": (",x,y,label\n0,1.5,red,a\n1,2.5,blue,b\n", FileForm()),
    "the first line of a spreadsheet": ("sep=;\n" + PLAIN.replace(",", ";"), FileForm()),
    "the same in quotation marks, and an unusual delimiter": (
        '\ufeff"sep=^"\r\n' + PLAIN.replace(",", "^"),
        FileForm(),
    ),
    "comments": ("# exported, on Monday\n#\n" + PLAIN, FileForm()),
    "the first line of a spreadsheet, and comments": (
        "sep=\t\n# a,b\n" + PLAIN.replace(",", "\t"),
        FileForm(),
    ),
    "no line at the end": (PLAIN.rstrip("\n"), FileForm()),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_a_layout_is_understood(tmp_path: Path, name: str) -> None:
    content, form = UNDERSTOOD[name]
    found = list(rows(written(tmp_path, content), Wanted(form=form)))
    assert [(row.features, row.label) for row in found] == FOUND


def test_a_file_without_names_gets_them(tmp_path: Path) -> None:
    path = written(tmp_path, "1.5,red,a\n2.5,blue,b\n")
    found = list(rows(path, Wanted(form=FileForm(header=False))))
    assert [row.features for row in found] == [
        {"column_1": 1.5, "column_2": "red"},
        {"column_1": 2.5, "column_2": "blue"},
    ]
    assert [row.label for row in rows(path, Wanted(label="column_2", form=FileForm(header=False)))] == [
        "red",
        "blue",
    ]


def test_a_file_with_decimal_commas_has_points_between_thousands(tmp_path: Path) -> None:
    """A column that cannot be read so keeps its decimal points."""
    path = written(tmp_path, "price;size;rate;label\n12,5;1.234;0.125;a\n7;22.000;0.5;b\n")
    assert [row.features for row in rows(path)] == [
        {"price": 12.5, "size": 1234, "rate": 0.125},
        {"price": 7, "size": 22000, "rate": 0.5},
    ]
    path = written(tmp_path, "price;size;label\n12.5;1.234;a\n")
    assert next(rows(path)).features == {"price": 12.5, "size": 1.234}


def test_names_that_are_numbers_may_be_names(tmp_path: Path) -> None:
    """The numbers of the columns are, as data frames write them; others are if the user says so."""
    assert next(rows(written(tmp_path, "0,1,label\n5,6,a\n"))).features == {"0": 5, "1": 6}
    years = written(tmp_path, "2019,2020,label\n5,6,a\n")
    assert next(rows(years, Wanted(form=FileForm(header=True)))).features == {"2019": 5, "2020": 6}


AMOUNTS = "x,amount\n" + "".join(f"1,{k * 1.37:.2f}\n" for k in range(100))
IDS = "x,label\n" + "".join(f"1,user-{k}\n" for k in range(1000))
MANY = "x,label\n" + "".join(f"1,{k // 3}\n" for k in range(4000))
REFUSED: list[tuple[str | bytes, dict[str, Any], str]] = [
    ("1.5,red,a\n2.5,blue,b\n", {}, "looks like data .*: say --no-header"),
    ("2019,2020,label\n5,6,a\n", {}, "say --no-header, or --header"),
    ("x,x,label\n1,2,a\n", {}, "columns 1 and 2 have one name, 'x'"),
    ("x,y,label\n1,2,a\n3,b\n", {}, "line 3 has not the header's 3 columns: it has 2 .*--delimiter"),
    ("x,y,label\n1,2,a\n3,4,5,b\n", {}, "line 3 has not the header's 3 columns: it has 4"),
    ("x y label\n1 2 a\n", {}, "there is one column, 'x y label', .* --delimiter"),
    ('x,label\n"a"b,c\n', {}, "line 2 cannot be read: .* quotation mark"),
    ('x,label\n"a,b\nc,d\n', {}, "line 3 cannot be read: .* quotation mark"),
    ("sep=;\n# a comment\nx;y;label\n1;2;a\n3;b\n", {}, "line 5 has not the header's 3 columns: it has 2"),
    ("#\n" * 60 + PLAIN, {}, "the first 50 lines are comments .*: remove them"),
    (PLAIN.replace("red", "rouge-é").encode("latin-1"), {}, "not utf-8 .*0xe9.*: say --encoding"),
    (PLAIN, {"form": FileForm(encoding="none")}, "--encoding: write"),
    (PLAIN, {"form": FileForm(encoding="zip")}, "--encoding: write"),
    (PLAIN, {"form": FileForm(delimiter="ab")}, "--delimiter: write one character"),
    (PLAIN, {"form": FileForm(decimal="'")}, "--decimal: write"),
    (PLAIN, {"form": FileForm(texts=("z",))}, "--text: there is no column 'z'; there are x, y, label"),
    (AMOUNTS, {}, "'amount' has 100 values in 100 rows .*--label"),
    (IDS, {}, "'label' has 1,000 values in 1,000 rows .*--label"),
    (MANY, {}, "has 1,001 values in 3,001 rows .*--label"),
    ("x,label\n1,\n2,\n", {}, "no row has a label at 'label'"),
    ("", {}, "it is empty"),
    (PLAIN, {"time": "when"}, "--time: there is no column 'when'; there are x, y, label"),
]


@pytest.mark.parametrize(("content", "wanted", "said"), REFUSED)
def test_a_layout_that_is_not_understood_is_one_sentence(
    tmp_path: Path, content: str | bytes, wanted: dict[str, Any], said: str
) -> None:
    with pytest.raises(Misconfigured, match=said) as caught:
        list(rows(written(tmp_path, content), Wanted(**wanted)))
    assert "\n" not in str(caught.value)


STRANGE = '"a\nb\x1b[2J","' + "c" * 100_000 + '"'


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (f"{STRANGE},7,label\n1,2,3,a\n", {}),
        (f"{STRANGE},{STRANGE},label\n1,2,3,4,a\n", {}),
        (f"{STRANGE},y,label\n1,2,3,a\n", {"label": "kind"}),
    ],
)
def test_no_name_of_a_column_breaks_a_sentence(tmp_path: Path, content: str, wanted: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured) as caught:
        list(rows(written(tmp_path, content), Wanted(**wanted)))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_the_last_comment_is_the_names_if_it_has_as_many_cells(tmp_path: Path) -> None:
    noticed = Noticed()
    found = list(rows(written(tmp_path, "# of a shop, in May\n#x,y,label\n1.5,red,a\n"), noticed=noticed))
    assert [(row.features, row.label) for row in found] == [({"#x": 1.5, "y": "red"}, "a")]
    assert list(noticed.sentences()) == ["left out: 1 line of comments (#) at the beginning"]


def test_a_label_that_is_the_last_column_alone_is_remarked(tmp_path: Path) -> None:
    """A column that is called `label`, or named by the user, is no guess."""
    content = PLAIN.replace("label", "kind")
    for given, named, remarks in ((content, None, 1), (content, "kind", 0), (PLAIN, None, 0)):
        noticed = Noticed()
        list(rows(written(tmp_path, given), Wanted(label=named), noticed))
        said = list(noticed.sentences())
        assert len(said) == remarks
        assert all("the last column, 'kind'" in one and "--label" in one for one in said)


def test_what_does_not_keep_a_file_from_being_used_is_remarked(tmp_path: Path) -> None:
    noticed = Noticed()
    list(rows(written(tmp_path, ",x,_seen,label\n1,2,3,a\n1,2,3,\n"), noticed=noticed))
    assert list(noticed.sentences()) == [
        "column 1 has no name and is left out",
        "_seen: columns that begin with _ are no features, unless input.include names them",
        "left out: 1 row without a label",
    ]
