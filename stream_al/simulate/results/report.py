"""The report: one HTML page that contains everything it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from stream_al.errors import Misconfigured
from stream_al.simulate.cases import NO_MODEL, Result
from stream_al.simulate.choice import Choice, sentence
from stream_al.simulate.plan import SimulationPlan
from stream_al.simulate.results import plots
from stream_al.simulate.results.class_table import CLASS_HEADINGS
from stream_al.simulate.results.table import (
    AUDIT_HEADINGS,
    HEADINGS,
    Section,
    TableRow,
    audit_cells,
    cells,
    class_cells,
    letters,
    sections,
    title,
)

__all__ = ["check", "page", "write"]

CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #f6f6f4; margin: 0 }
main { max-width: 1000px; margin: 2rem auto; padding: 0 1rem }
section { background: #fff; border: 1px solid #e2e2df; border-radius: 8px }
section { padding: 1rem 1.5rem; margin: 1rem 0 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem } h3 { font-size: 1rem; font-weight: 600 }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }
th { font-weight: 500; color: #666 } th, td { text-align: right; padding: .2rem .5rem }
th:first-child, td:first-child { text-align: left }
tr.baseline { color: #767676 } tr + tr td { border-top: 1px solid #eee }
pre { background: #f6f6f4; padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; font-size: .85rem }
svg { max-width: 100%; height: auto } .quiet { color: #666 } .wide { overflow-x: auto }
"""


def check(path: Path) -> None:
    """Check that a report can be drawn and written to a path.

    Raises:
        Misconfigured: It cannot; what to do.
    """
    plots.require()
    if path.is_dir() or not path.parent.is_dir():
        raise Misconfigured(f"--report: name a file in a directory that exists, not {str(path)!r}")


def write(
    path: Path, plan: SimulationPlan, results: Sequence[Result], chosen: Sequence[Choice], measure: str
) -> None:
    """Write the page.

    Raises:
        Misconfigured: The file cannot be written.
    """
    try:
        path.write_text(page(plan, results, chosen, measure), encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"--report: {path} cannot be written: {error.strerror}") from None


def page(plan: SimulationPlan, results: Sequence[Result], chosen: Sequence[Choice], measure: str) -> str:
    """The page as text.

    Args:
        plan: The plan of the simulation.
        results: The results of all runs.
        chosen: The choice at each budget.
        measure: The measure that the choice was made by.
    """
    body = "\n".join(_body(plan, results, chosen, measure))
    name = escape(plan.stream.name)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: what would it cost?</title><style>{CSS}</style></head>\n"
        f"<body><main>\n<h1>{name}: what would it cost?</h1>\n{body}\n</main></body></html>\n"
    )


def _body(
    plan: SimulationPlan, results: Sequence[Result], chosen: Sequence[Choice], measure: str
) -> Iterator[str]:
    yield f'<p class="quiet">{escape(_about(plan))}</p>'
    yield from (f'<p class="quiet">{escape(note)}</p>' for note in plan.notes)
    yield "<section><h2>The choice</h2>"
    for choice in chosen:
        yield f"<p>{escape(sentence(choice))}</p>"
        yield f"<pre>{escape(choice.settings(plan.terms.exploration, plan.terms.objective))}</pre>"
    yield "</section>"
    named = letters(results)
    found = sections(results, measure)
    if len(plan.grid.budgets) > 1:
        for delay in plan.grid.delays:
            late = title(Section(1.0, delay, ())).partition(", ")[2]
            yield f"<section><h2>All budgets, {escape(late)}</h2>"
            rows = [row for section in found if section.delay == delay for row in section.rows]
            for model, letter in named.items():
                yield _heading(model, letter)
                yield plots.budget_figure(_of(rows, model), measure)
            yield "</section>"
    for section in found:
        yield f"<section><h2>{escape(title(section))}</h2>"
        yield _table(section, named)
        yield _lines(CLASS_HEADINGS, [("own", cells) for cells in class_cells(section, named)])
        for model, letter in named.items():
            yield _heading(model, letter)
            yield plots.learning_figure(_of(section.rows, model), section.budget)
        yield "</section>"
    yield f'<p class="quiet">{WORDS}</p>'


WORDS = (
    "Every sample is predicted before its label can be known, and all predictions count. G-mean is the "
    "geometric mean of the recalls of all classes, and the rarest recall is that of the class with the "
    "fewest samples. The worst window is the largest number of labels bought in any 10 / budget samples in "
    "a row, relative to what the budget allows in them. All-labels is a horizontal line and not a curve, "
    "because it buys far more labels than the others. The intervals of a class say how far another stream of "
    "the same kind may differ."
)


def _about(plan: SimulationPlan) -> str:
    number = len(plan.stream.rows) - plan.terms.warm_start
    parts = [f"{number:,} samples of {len(plan.stream.classes)} classes"]
    if plan.terms.warm_start:
        parts.append(f"after a warm start with {plan.terms.warm_start:,}")
    if plan.grid.annotator_error:
        parts.append(f"{100 * plan.grid.annotator_error:g}% of the labels wrong")
    if plan.grid.annotators:
        parts.append(f"annotators: {plan.grid.annotators}")
    if len(plan.grid.seeds) > 1:
        parts.append(f"means of {len(plan.grid.seeds)} seeds")
    return ", ".join(parts)


def _table(section: Section, named: dict[str, str]) -> str:
    rows, audits = [], []
    for row in section.rows:
        style, letter = "baseline" if row.case.is_baseline else "own", named.get(row.case.model, "")
        rows.append((style, cells(row, letter)))
        if (found := audit_cells(row, letter)) is not None:
            audits.append((style, found))
    return _lines(HEADINGS, rows) + (_lines(AUDIT_HEADINGS, audits) if audits else "")


def _lines(headings: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    lines = ["<tr>" + "".join(f"<th>{heading}</th>" for heading in headings) + "</tr>"]
    for style, row in rows:
        lines.append(f'<tr class="{style}">' + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>")
    return '<div class="wide"><table>' + "\n".join(lines) + "</table></div>"


def _heading(model: str, letter: str) -> str:
    return f"<h3>{escape(f'{letter}: {model}' if letter else model)}</h3>"


def _of(rows: Sequence[TableRow], model: str) -> list[TableRow]:
    """The rows of one model, and those without a model."""
    return [row for row in rows if row.case.model in (model, NO_MODEL)]
