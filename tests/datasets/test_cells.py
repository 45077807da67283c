"""The laws of the cells of a CSV."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_al.datasets.cells import FORMULA, Cells, Kind, marked, unmarked

MISSING = ["", "NA", "N/A", "#N/A", "NaN", "nan", "null", "None", "?", "-", " ", "inf", "-Infinity", "1e999"]
texts = (
    st.text()
    | st.text("'=+-@\t\r 0159.,eENnaAtruefls\n", max_size=6)
    | st.sampled_from([*MISSING, "true", "False", "02139", "1e5", "''", "'=", "'-5", "'''1", "- 5", " =1"])
    | st.integers().map(str)
    | st.floats().map(str)
)


@given(text=texts)
@example(text="'true")
@settings(derandomize=True, deadline=None)
def test_a_text_comes_back_from_its_cell_as_it_was(text: str) -> None:
    """It does in a column of any type, and is never taken for a number, a truth value or a missing value."""
    alone = Cells().value(marked(text), Kind.MISSING)
    assert (alone, type(alone)) == (text, str)
    assert unmarked(marked(text)) == text
    assert unmarked(marked(text, typed=False)) == text


@given(text=texts)
@settings(derandomize=True, deadline=None)
def test_no_cell_of_a_text_is_a_formula_to_a_spreadsheet(text: str) -> None:
    assert not marked(text).lstrip(" \n").startswith(FORMULA)
    assert not marked(text, typed=False).lstrip(" \n").startswith(FORMULA)


@given(number=st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False))
@settings(derandomize=True, deadline=None)
def test_a_number_comes_back_from_its_cell_with_its_type(number: float) -> None:
    """Whole numbers do however large they are."""
    for column in (Kind.NUMBER, Kind.MISSING):
        found = Cells().value(str(number), column)
        assert (found, type(found)) == (number, type(number))


@given(odd=st.sampled_from(MISSING), place=st.integers(0, 5))
@settings(derandomize=True, deadline=None)
def test_a_missing_value_does_not_change_the_type_of_a_column(odd: str, place: int) -> None:
    for column, kind in ((["1", "2.5", "-3", "1e5", "7"], Kind.NUMBER), (["true", "False"], Kind.TRUTH)):
        cells = [*column[:place], odd, *column[place:]]
        assert Cells().kind_of(cells) is kind
        values = [Cells().value(cell, kind) for cell in cells]
        assert [value is None for value in values] == [cell == odd for cell in cells]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["02139", "10001"], Kind.TEXT),
        (["-007"], Kind.TEXT),
        (["0", "0.5", "-0.5"], Kind.NUMBER),
        (["1", "x"], Kind.TEXT),
        (["true", "1"], Kind.TEXT),
        (["1_000"], Kind.TEXT),
        (["٣"], Kind.TEXT),  # a digit of another script, which Python would take
        (["1,5"], Kind.TEXT),
        (["0x1f"], Kind.TEXT),
        (["9" * 1000], Kind.TEXT),
        (["'5", "6"], Kind.TEXT),
        (["NA", ""], Kind.MISSING),
        ([], Kind.MISSING),
    ],
)
def test_the_type_of_a_column_comes_from_all_of_its_cells(cells: list[str], kind: Kind) -> None:
    assert Cells().kind_of(cells) is kind


@pytest.mark.parametrize(
    ("cell", "value"), [("1,5", 1.5), ("-0,25", -0.25), ("1.234,5", 1234.5), ("1.234", 1234), ("7", 7)]
)
def test_a_number_may_have_a_decimal_comma(cell: str, value: float) -> None:
    found = Cells(",").value(cell, Kind.NUMBER)
    assert (found, type(found)) == (value, type(value))


def test_in_a_column_of_texts_only_the_empty_cell_is_missing() -> None:
    """`NA` is Namibia, `None` may be a word, and what the user names is missing everywhere."""
    cells = Cells(missing=("unknown",))
    found = [cells.value(cell, Kind.TEXT) for cell in ("NA", "None", "", "unknown", "1")]
    assert found == ["NA", "None", None, None, "1"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["1" * 500_000 + "x", "1." + "1" * 500_000 + "e", "." + "1" * 500_000 + "."])
def test_a_text_of_many_digits_is_read_once(text: str) -> None:
    """A sample's text may be so long, and an export as a CSV reads it; it took hours."""
    assert marked(text) == text
    assert Cells(decimal=",").kind(text) is Kind.TEXT
