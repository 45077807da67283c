"""Learning curves as SVG, drawn with matplotlib, which the extra `plots` installs.

A figure shows one model under one budget and one delay: three measures against the labels bought, and the
budget spent against the samples seen. Strategies are in colour, baselines in grey. The baseline all-labels is
a horizontal line, because it buys far more labels than the others. With several seeds a line is their mean.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Sequence
from itertools import cycle
from statistics import mean
from typing import TYPE_CHECKING, Any

from stream_al.errors import Misconfigured
from stream_al.simulate.baselines import ALL_LABELS, LAST_LABEL, MAJORITY, PERIODIC, RANDOM
from stream_al.simulate.choice import MEASURES
from stream_al.simulate.measure import Point
from stream_al.simulate.results.table import TableRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["budget_figure", "learning_figure", "require"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c564b")
"""The colours of Okabe and Ito, which most colour-blind people can distinguish, and two more."""
DASHES = {RANDOM: "--", PERIODIC: "-.", LAST_LABEL: ":", MAJORITY: (0, (1, 4)), ALL_LABELS: "-"}
GREY = "#767676"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # texts stay texts, in the font of the page
    "svg.hashsalt": "stream_al",  # the same runs give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.edgecolor": "#999999",
    "legend.frameon": False,
}
EARLY = 0.02  # the share of the stream that is not drawn, because its measures have too few predictions


def require() -> None:
    """Check that matplotlib is installed.

    Raises:
        Misconfigured: It is not installed; how to install it.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise Misconfigured("--report: to draw it, run `python -m pip install 'stream_al[plots]'`")


def learning_figure(rows: Sequence[TableRow], budget: float) -> str:
    """A figure of the measures against the labels bought, and of the budget spent against the samples seen.

    Args:
        rows: The rows of one model, one budget and one delay, with the baselines.
        budget: The share allowed.
    """

    def draw(panels: Sequence[Axes]) -> None:
        for panel, (measure, noun) in zip(panels, MEASURES.items(), strict=False):
            panel.set(title=noun, xlabel="labels bought", ylim=_limits(rows, measure))
            for row, style in _styled(rows):
                if row.case.strategy == ALL_LABELS:
                    panel.axhline(row.mean(measure), **style)
                    continue
                points = _points(row)
                panel.plot([p[1] for p in points], [p[2][measure] for p in points], **style)
        spending = panels[-1]
        shares = [row.mean("budget_spent") for row in rows if row.case.strategy != ALL_LABELS]
        spending.set(title="budget spent", xlabel="samples seen", ylabel="% of the samples")
        spending.axhline(100 * budget, color="#b00020", linewidth=1, label="budget")
        for row, style in _styled(rows):
            if row.case.strategy not in (ALL_LABELS, LAST_LABEL, MAJORITY):  # these buy as random does
                points = _points(row)
                spending.plot([p[0] for p in points], [100 * p[1] / p[0] for p in points], **style)
        spending.set_ylim(0, 100 * max(2 * budget, 1.2 * max(shares)))

    return _svg(draw, 2, 2, 7.2)


def budget_figure(rows: Sequence[TableRow], measure: str) -> str:
    """A figure of a measure over the whole stream against the labels bought.

    Args:
        rows: The rows of one model and one delay under several budgets, with the baselines.
        measure: The measure.
    """
    named: dict[str, list[TableRow]] = {}
    for row in rows:
        named.setdefault(row.name(), []).append(row)

    def draw(panels: Sequence[Axes]) -> None:
        (panel,) = panels
        panel.set(title=f"{MEASURES[measure]} over the whole stream", xlabel="labels bought", xscale="log")
        for row, style in _styled([found[0] for found in named.values()]):
            if row.case.strategy == ALL_LABELS:
                panel.axhline(row.mean(measure), **style)
                continue
            points = sorted((each.mean("labels"), each.mean(measure)) for each in named[row.name()])
            panel.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=4, **style)

    return _svg(draw, 1, 1, 4.6)


def _points(row: TableRow) -> list[tuple[int, float, dict[str, float]]]:
    """Samples, labels and measures along the stream, each the mean of all seeds at the same sample."""
    curves: list[Sequence[Point]] = [run.curve for run in row.runs]
    early = EARLY * curves[0][-1].samples
    return [
        (
            here[0].samples,
            mean(point.labels for point in here),
            {measure: mean(getattr(point, measure) for point in here) for measure in MEASURES},
        )
        for here in zip(*curves, strict=True)
        if here[0].samples >= early
    ]


def _styled(rows: Sequence[TableRow]) -> list[tuple[TableRow, dict[str, Any]]]:
    colours = cycle(COLOURS)
    found: list[tuple[TableRow, dict[str, Any]]] = []
    for row in rows:
        if row.case.is_baseline:
            style: dict[str, Any] = {
                "color": GREY,
                "linestyle": DASHES[row.case.strategy],
                "linewidth": 1.2,
            }
        else:
            style = {"color": next(colours), "linewidth": 1.8}
        found.append((row, {**style, "label": row.name()}))
    return found


def _limits(rows: Sequence[TableRow], measure: str) -> tuple[float, float]:
    values = [row.mean(measure) for row in rows]
    values += [point[2][measure] for row in rows for point in _points(row)]
    low, high = min(values), max(values)
    edge = 0.05 * (high - low) or 0.05
    return low - edge, high + edge


def _svg(draw: Callable[[Sequence[Axes]], None], rows: int, columns: int, height: float) -> str:
    from matplotlib import rc_context  # noqa: PLC0415 - an extra, and slow
    from matplotlib.figure import Figure  # noqa: PLC0415

    out = io.StringIO()
    with rc_context(STYLE):
        figure = Figure(figsize=(10, height), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        draw(panels)
        named = {
            label: handle
            for panel in panels
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4)
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
