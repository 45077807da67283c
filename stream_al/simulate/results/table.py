"""The results as a table: one row for all seeds of a case, in sections by budget and delay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby
from statistics import mean, stdev

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream_al.engine.trust.again import Wanted
from stream_al.simulate.baselines import ALL_LABELS, BASELINE, RANDOM
from stream_al.simulate.cases import NO_MODEL, Case, Result
from stream_al.simulate.choice import percent, value
from stream_al.simulate.people.crew import ANNOTATORS
from stream_al.simulate.results.class_table import CLASS_HEADINGS, class_rows

__all__ = [
    "AUDIT_HEADINGS",
    "HEADINGS",
    "Section",
    "TableRow",
    "audit_cells",
    "cells",
    "class_cells",
    "letters",
    "sections",
    "tables",
    "title",
]

HEADINGS = (
    *("labels bought by", "labels", "spent", "worst window", "accuracy", "kappa", "G-mean"),
    *("rarest recall", "seconds"),
)
AUDIT_HEADINGS = (
    *("labels bought by", "first", "second", "in vain", "wrong", "contradicted", "wrong found"),
    *("corrected to right", "to wrong", "wrong left"),
)
"""Means over the runs of the figures of `simulate.people.second_labels.Audit`."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """The runs that differ only in their seeds.

    Attributes:
        case: The case of the first run.
        runs: The results of all runs, at least one.
    """

    case: Case
    runs: tuple[Result, ...]

    def mean(self, measure: str) -> float:
        """The mean of a measure over the runs."""
        return mean(value(run, measure) for run in self.runs)

    def name(self, letter: str = "") -> str:
        """The strategy and manager that bought the labels, and the letter of the model, if it has one."""
        case = self.case
        words = [case.strategy] if case.manager == BASELINE else [case.strategy, case.manager]
        words += [case.wanted.words] if case.wanted.words else []
        return ", ".join([*words, letter] if letter and case.model != NO_MODEL else words)


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one budget and one delay, the best first, and those of the baseline all-labels."""

    budget: float
    delay: str
    rows: tuple[TableRow, ...]


def sections(results: Sequence[Result], measure: str) -> list[Section]:
    """The results in sections, in the order of the options."""
    found = list(_rows(results))
    conditions = dict.fromkeys(
        (row.case.budget, row.case.delay) for row in found if row.case.strategy != ALL_LABELS
    )
    return [
        Section(
            budget,
            delay,
            tuple(
                sorted(
                    (
                        row
                        for row in found
                        if row.case.delay == delay
                        and (row.case.budget == budget or row.case.strategy == ALL_LABELS)
                    ),
                    key=lambda row: -row.mean(measure),
                )
            ),
        )
        for budget, delay in conditions
    ]


def letters(results: Sequence[Result]) -> dict[str, str]:
    """A letter for each model; an empty one if there is only one model."""
    models = list(dict.fromkeys(r.case.model for r in results if r.case.model != NO_MODEL))
    return {model: _letter(n) if len(models) > 1 else "" for n, model in enumerate(models)}


def cells(row: TableRow, letter: str) -> tuple[str, ...]:
    """The cells of a row as texts, one for each of `HEADINGS`."""
    spread = stdev(run.accuracy for run in row.runs) if len(row.runs) > 1 else None
    return (
        row.name(letter),
        f"{row.mean('labels'):,.0f}",
        percent(row.mean("budget_spent")),
        f"{max(run.worst_window for run in row.runs):.2f}",
        percent(row.mean("accuracy")) + ("" if spread is None else f" ± {100 * spread:.1f}"),
        f"{row.mean('kappa'):.3f}",
        f"{row.mean('g_mean'):.3f}",
        percent(row.mean("rarest_recall")),
        f"{row.mean('seconds'):.1f}",
    )


def audit_cells(row: TableRow, letter: str) -> tuple[str, ...] | None:
    """The cells of a row, one for each of `AUDIT_HEADINGS`; None if no crew has labelled in its runs."""
    audits = [astuple(run.audit) for run in row.runs if run.audit is not None]
    if not audits:
        return None
    return row.name(letter), *(f"{mean(figures):,.0f}" for figures in zip(*audits, strict=True))


def class_cells(section: Section, named: dict[str, str]) -> list[tuple[str, ...]]:
    """The cells of the rarest classes, one for each of `CLASS_HEADINGS`.

    They are those of the best setting, and of labels bought at random for the same model.
    """
    best = next(row for row in section.rows if not row.case.is_baseline)
    letter = named.get(best.case.model, "")
    ways = [(best.name(letter), [run.classes for run in best.runs])]
    ways += [
        (row.name(letter), [run.classes for run in row.runs])
        for row in section.rows
        if row.case.strategy == RANDOM and row.case.is_baseline and row.case.model == best.case.model
    ]
    return list(class_rows(ways))


def title(section: Section) -> str:
    """The title of a section.

    >>> title(Section(0.05, "0", ())), title(Section(0.05, "2h", ()))
    ('Budget 5.00%, labels at once', 'Budget 5.00%, labels 2h late')
    """
    late = {
        "0": "labels at once",
        "column": "labels as recorded",
        ANNOTATORS: "labels as annotators give them",
    }.get(section.delay)
    samples = " samples" if section.delay.isdigit() else ""
    return f"Budget {percent(section.budget)}, {late or f'labels {section.delay}{samples} late'}"


def tables(results: Sequence[Result], measure: str) -> RenderableType:
    """All sections, for a terminal."""
    named = letters(results)
    parts: list[RenderableType] = []
    for section in sections(results, measure):
        table = _table(HEADINGS, [])
        for row in section.rows:
            style = "dim" if row.case.is_baseline else "bold"
            table.add_row(*map(Text, cells(row, named.get(row.case.model, ""))), style=style)
        parts += [Text(title(section)), table, Text()]
        parts += [_class_table(class_cells(section, named)), Text()]
        audits = [found for row in section.rows if (found := audit_cells(row, named.get(row.case.model, "")))]
        if audits:
            parts += [_table(AUDIT_HEADINGS, audits), Text()]
    parts += [Text(f"{letter}: {model}") for model, letter in named.items() if letter]
    return Group(*parts)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(headings[0])
    for heading in headings[1:]:
        table.add_column(heading.replace(" ", "\n"), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _class_table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for heading in CLASS_HEADINGS:
        words = heading in ("class", "labels bought by")
        least = 8 if heading == "class" else None
        table.add_column(heading, justify="left" if words else "right", no_wrap=not words, min_width=least)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _rows(results: Sequence[Result]) -> Iterator[TableRow]:
    def key(result: Result) -> tuple[str, str, str, float, str, Wanted]:
        case = result.case
        return case.strategy, case.manager, case.model, case.budget, case.delay, case.wanted

    order = {found: place for place, found in enumerate(dict.fromkeys(map(key, results)))}
    for _, runs in groupby(sorted(results, key=lambda result: order[key(result)]), key):
        together = tuple(runs)
        yield TableRow(together[0].case, together)


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)
