"""The README says what the code does."""

from __future__ import annotations

from pathlib import Path

from stream_al.engine.query import diagram
from stream_al.settings import table

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_carries_the_table_of_settings() -> None:
    """To renew it: print `stream_al.settings.table()` between the two markers."""
    text = README.read_text(encoding="utf-8")
    between = text.partition("<!-- settings -->")[2].partition("<!-- /settings -->")[0]
    assert between.strip() == table()


def test_the_readme_carries_the_life_of_a_query() -> None:
    """To renew it: print `stream_al.engine.query.diagram()` in a `mermaid` block between the two markers."""
    text = README.read_text(encoding="utf-8")
    between = text.partition("<!-- life -->")[2].partition("<!-- /life -->")[0]
    assert between.strip() == f"```mermaid\n{diagram()}\n```"
