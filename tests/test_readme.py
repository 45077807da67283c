"""The README says what the code does."""

from __future__ import annotations

from pathlib import Path

from stream_al.engine.query import diagram
from stream_al.settings import table
from tests.faults.table import markdown

README = Path(__file__).parents[1] / "README.md"


def between(name: str) -> str:
    """What the README holds between the two markers of a name."""
    text = README.read_text(encoding="utf-8")
    return text.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0].strip()


def test_the_readme_carries_the_table_of_settings() -> None:
    """To renew it: print `stream_al.settings.table()` between the two markers."""
    assert between("settings") == table()


def test_the_readme_carries_the_life_of_a_query() -> None:
    """To renew it: print `stream_al.engine.query.diagram()` in a `mermaid` block between the two markers."""
    assert between("life") == f"```mermaid\n{diagram()}\n```"


def test_the_readme_carries_the_table_of_faults() -> None:
    """To renew it: print `tests.faults.table.markdown()` between the two markers."""
    assert between("faults") == markdown().strip()
