"""Examples come back from every format of the export as they were."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream_al.datasets.cells import FORMULA
from stream_al.datasets.export import FORMATS, Export
from stream_al.datasets.form import Noticed
from stream_al.datasets.rows import Wanted, rows
from stream_al.engine.samples.sample import InputRules
from stream_al.messages import Example

TEXTS = [
    "true",
    "02139",
    "1e5",
    "NA",
    "-",
    "",
    " ",
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\tx",
    "\rx",
    "'",
    "''=1",
    "a,b\n",
]
NAMES = ["label", "_note", "id", "x", "a.b.c", "features", "features.x", "=1+1", "été", " ", "a'b", "", "1"]
texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
numbers = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = texts | numbers | st.booleans()
labels = values.filter(lambda label: not isinstance(label, str) or (bool(label) and label == label.strip()))
features = st.dictionaries(st.sampled_from(NAMES), values, min_size=1, max_size=5)
ids = st.sampled_from(["7", "007", "-1", "=x", "a", "'5", "1e5", "NA", "'=", "true"])
examples = st.lists(
    st.builds(
        Example,
        id=ids,
        label=labels,
        features=features,
        annotator=st.none() | st.sampled_from(["ann", "=ann", "1", "NA"]),
        propensity=st.none() | st.floats(0.01, 1.0),
        reason=st.sampled_from(["uncertain", "seed"]),
        labelled_at=st.none() | st.just("2026-01-31T12:00:00.000Z"),
    ),
    min_size=1,
    max_size=4,
)


def written(directory: Path, form: str, given: Sequence[Example]) -> Path:
    path = directory / "examples"
    text: dict[str, Any] = {} if form == "parquet" else {"encoding": "utf-8", "newline": ""}
    with path.open("wb" if form == "parquet" else "w", **text) as file, Export(file, form) as export:
        for each in given:
            export.add(each)
    assert export.number == len(given)
    return path


def typed(value: Any) -> tuple[type, str]:
    """A value with its type; a zero has a sign."""
    return type(value), repr(value)


@pytest.mark.parametrize("form", FORMATS)
@given(given_=examples)
@example(given_=[Example("a", "1", {"zip": "02139"}), Example("b", 1, {"zip": 2139, "label": True})])
@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_exported_and_imported_is_as_it_was(tmp_path: Path, form: str, given_: list[Example]) -> None:
    """Ids, labels, features and their types, whatever the rules say of the records of the stream."""
    path = written(tmp_path, form, given_)
    for rules in (InputRules(), InputRules(id="key", features="transaction", payload="payload")):
        noticed = Noticed()
        found = list(rows(path, Wanted(rules), noticed))
        assert not list(noticed.sentences())
        assert [row.id for row in found] == [each.id for each in given_]
        assert [typed(row.label) for row in found] == [typed(each.label) for each in given_]
        assert [row.annotator for row in found] == [each.annotator for each in given_]
        assert [row.labelled_at for row in found] == [each.labelled_at for each in given_]
        for row, each in zip(found, given_, strict=True):
            assert {n: typed(v) for n, v in row.features.items()} == {
                n: typed(v) for n, v in (each.features or {}).items()
            }


@given(given_=examples)
@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cell_of_an_exported_csv_is_run_by_a_spreadsheet(tmp_path: Path, given_: list[Example]) -> None:
    """A cell that begins like a formula is a plain number."""
    path = written(tmp_path, "csv", given_)
    with path.open(encoding="utf-8", newline="") as file:
        for cell in (cell for row in csv.reader(file) for cell in row):
            if cell.lstrip(" \n").startswith(FORMULA):
                assert float(cell) <= 0


def test_an_exported_csv_is_read_by_any_program() -> None:
    """The facts first, then the features in the order in which they came; a missing one is an empty cell."""
    out = io.StringIO()
    with Export(out, "csv") as export:
        export.add(Example("a", "up", {"x": -1.5, "vip": True}, propensity=0.25, reason="uncertain"))
        export.add(Example("b", "down", {"y": "red"}, annotator="ann"))
    facts = "id,label,annotator,propensity,reason,queried_at,labelled_at"
    corrected = "former_label,corrected_by,corrected_at,guess_shown,flagged,comment"
    assert out.getvalue().splitlines() == [
        f"{facts},{corrected},features.x,features.vip,features.y",
        "a,up,,0.25,uncertain,,,,,,,,,-1.5,true,",
        "b,down,ann,,,,,,,,,,,,,red",
    ]
