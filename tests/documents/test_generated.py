"""What is made from the code stands in the documents as the code makes it now."""

from __future__ import annotations

import re
from io import StringIO

from rich.console import Console

from stream_al.demo.counterfactuals import RANDOM_RUNS
from stream_al.demo.session import Summary
from stream_al.demo.view import report
from stream_al.engine.labels.lifecycle import diagram
from stream_al.settings import page
from stream_al.simulate.class_scores import ClassScore
from tests.demo.picture import FILE as PICTURE
from tests.documents.markdown import ROOT, between
from tests.faults.table import markdown


def test_the_page_of_settings_is_what_the_command_prints() -> None:
    """To renew it: `stream-al config reference > deploy/SETTINGS.md`."""
    assert (ROOT / "deploy" / "SETTINGS.md").read_text(encoding="utf-8") == page()


def test_the_life_of_a_query_is_drawn_from_its_table() -> None:
    """To renew it: print `stream_al.engine.labels.lifecycle.diagram()` in a `mermaid` block."""
    assert between(ROOT / "deploy/schemas/README.md", "life") == f"```mermaid\n{diagram()}\n```\n"


def test_the_table_of_faults_is_that_of_the_tests() -> None:
    """To renew it: print `tests.faults.table.markdown()` between the two markers."""
    assert between(ROOT / "tests/faults/README.md", "faults") == markdown()


def test_the_picture_shows_what_the_demo_prints() -> None:
    """All but the figures, which change from run to run. To renew it: `python -m tests.demo.picture`."""
    console = Console(width=100, record=True, file=StringIO())
    rarest = ClassScore(0, 1, 1, 0.5, 0.5)
    console.print(
        report(Summary(1, 1, 1, 0.5, 0.5, 0.5, 0.5, [0.5] * RANDOM_RUNS, 0.5, rarest, rarest, None, 1.0))
    )
    printed = words(console.export_text())
    assert "accuracy" in printed
    assert printed <= words(PICTURE.read_text(encoding="utf-8"))


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{2,}", text.lower()))
