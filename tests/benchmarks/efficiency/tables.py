"""The summary as tables: for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.efficiency.summary import ALL
from tests.benchmarks.text_table import TextTable

__all__ = ["markdown", "show"]

VERDICTS = {True: "holds", False: "FAILS", None: "not measured"}


def show(summary: Mapping[str, Any], claims: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print all tables and claims."""
    score = summary["score"]
    console.print(_rich(f"Mean rank in {score}, by delay in samples (1 is best)", *_ranks(summary, "ranks")))
    if score != "kappa":
        console.print(_rich("Mean rank in kappa", *_ranks(summary, "ranks_kappa")))
    if summary["ranks_wide"] != summary["ranks"]:
        title = "Mean rank among the policies that have every case"
        console.print(_rich(title, *_ranks(summary, "ranks_wide")))
    console.print(_rich(f"Against random, in points of {score}", *_against(summary)))
    console.print(_rich("Budget and speed", *_budgets(summary)))
    if worse := summary["worse"].get("ours"):
        keys = ["stream", "learner", "budget", "delay", "points", "p", "bh", "holm", "sign_flip"]
        rows = [[f"{w[k]:.3g}" if isinstance(w[k], float) else str(w[k]) for k in keys] for w in worse]
        console.print(_rich("Ours is significantly worse than random here", keys, rows))
    for claim in claims:
        console.print(f"{claim['number']}. {claim['claim']}: [bold]{VERDICTS[claim['passed']]}[/]")
        for name, figure in claim["figures"].items():
            console.print(f"     {name}: {figure}", highlight=False)


def markdown(summary: Mapping[str, Any], claims: Sequence[Mapping[str, Any]]) -> str:
    """The ranks, the figures beside them, and the claims."""
    header, rows = _ranks(summary, "ranks")
    records = summary["policies"]
    header += ["points over random", "worse", "budget error, max"]
    for row in rows:
        record = records[row[0]]
        row += [
            f"{record['points_over_random']:+.2f}",
            f"{record['worse']} of {record['cases']}",
            f"{record['budget_error_max']:.0%}",
        ]
    held = [
        [
            claim["claim"],
            VERDICTS[claim["passed"]],
            "; ".join(f"{name}: {figure}" for name, figure in claim["figures"].items()),
        ]
        for claim in claims
    ]
    tables = TextTable("ranks", header, rows), TextTable("claims", ["claim", "", "numbers"], held)
    return "\n\n".join(table.markdown() for table in tables) + "\n"


def _ranks(summary: Mapping[str, Any], kind: str) -> tuple[list[str], list[list[str]]]:
    place = int(kind == "ranks_wide")
    groups = [group for group in summary[kind] if summary["cases"][group][place]]
    header = ["policy"] + [f"{group} ({summary['cases'][group][place]} cases)" for group in groups]
    names = sorted(summary[kind][ALL], key=summary[kind][ALL].__getitem__)
    return header, [[name] + [f"{summary[kind][group][name]:.2f}" for group in groups] for name in names]


def _against(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    delays = sorted({d for record in summary["policies"].values() for d in record["points_by_delay"]})
    header = ["policy", "cases", "points", *(f"delay {d}" for d in delays), "worst case"]
    header += ["wins", "ties", "losses", "sig. better", "sig. worse"]
    rows = [
        [
            name,
            str(r["cases"]),
            f"{r['points_over_random']:+.2f}",
            *(f"{r['points_by_delay'][d]:+.2f}" if d in r["points_by_delay"] else "" for d in delays),
            f"{r['worst_case_points']:+.2f}",
            *(str(r[key]) for key in ("wins", "ties", "losses", "better", "worse")),
        ]
        for name, r in _sorted(summary)
    ]
    return header, rows


def _budgets(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    shares = sorted({s for record in summary["policies"].values() for s in record["budget_spent"]}, key=float)
    header = ["policy", *(f"spent of {float(s):.0%}" for s in shares), "error, max", "burst, max"]
    header += ["windows above cap", "runs", "ms a sample"]
    rows = [
        [
            name,
            *(f"{r['budget_spent'][s]:.2%}" if s in r["budget_spent"] else "" for s in shares),
            f"{r['budget_error_max']:.0%}",
            f"{r['burst_max']:.1f}x",
            *(str(r[key]) for key in ("windows_broken", "runs", "milliseconds_per_sample")),
        ]
        for name, r in _sorted(summary)
    ]
    return header, rows


def _sorted(summary: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(summary["policies"].items(), key=lambda item: -item[1]["points_over_random"])


def _rich(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    return TextTable(title, header, rows).rich({"ours": "bold green", "random": "cyan"})
