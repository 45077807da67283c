"""A picture of the dashboard, drawn from the data of a Prometheus: `python -m deploy.grafana.picture --help`.

It makes the queries of the main panels over the last minutes and draws the results. Grafana draws them
better, but this needs neither a browser nor Grafana.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
from itertools import pairwise
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import matplotlib as mpl

from deploy.grafana import dashboard

__all__ = ["FILE", "draw"]

FILE = Path(__file__).with_name("dashboard.svg")
POINTS = 80
COLUMNS = 3
MAIN = (
    *("Queries by reason", "Budget: allowed and spent", "Utility of the samples"),
    *("Labels by outcome", "Label delay", "Accuracy and its 95% interval"),
    *("Examples learned, by replica", "Consumer lag, by replica", "Batch time"),
)
PER_UNIT = {"percentunit": "share", "s": "seconds", "cpm": "a minute", "cps": "a second", "bytes": "MB"}
MARK = "#e67e22"
SPAN = 0.2  # minutes; marks that are closer together are drawn as one
Course = list[tuple[float, float]]


class Source:
    """Reads the last minutes of one application from Prometheus.

    Args:
        url: The URL of Prometheus.
        application: The name of the job that scrapes it.
        minutes: The number of minutes to show.
        window: The seconds over which rates are computed; at least four scrapes.
    """

    def __init__(self, url: str, application: str, minutes: float, window: int) -> None:
        self.url, self.end = url.rstrip("/"), time()
        self.begin = self.end - 60 * minutes
        step = max(1.0, (self.end - self.begin) / POINTS)
        self.span = {"start": self.begin, "end": self.end, "step": step}
        self.values = {
            "$application": application,
            "$replica": ".+",
            "$__interval": f"{max(step, window):.0f}s",
        }
        self.values |= {"$__rate_interval": f"{window}s", "$__range": f"{60 * minutes:.0f}s"}

    def courses(self, query: str, legend: str) -> dict[str, Course]:
        """Series of minutes since the beginning and values, by legend."""
        filled = re.sub(r"\$\w+", lambda found: self.values[found[0]], query)
        with urlopen(f"{self.url}/api/v1/query_range?{urlencode({'query': filled} | self.span)}") as response:  # noqa: S310 - the URL is the caller's own
            series = json.load(response)["data"]["result"]
        return {self._name(one["metric"], legend): self._course(one["values"]) for one in series}

    def _name(self, labels: dict[str, str], legend: str) -> str:
        return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend)

    def _course(self, values: list[tuple[float, str]]) -> Course:
        return [((at - self.begin) / 60, float(value)) for at, value in values if math.isfinite(float(value))]


def draw(source: Source) -> str:
    """The picture as SVG."""
    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - only after the backend is chosen

    board = dashboard.made()
    (marks,) = board["annotations"]["list"]
    drifts = [at for course in source.courses(marks["expr"], "").values() for at, _ in course]
    starts = [at for at, before in zip(drifts, [-math.inf, *drifts], strict=False) if at - before > SPAN]
    panels = [panel for panel in board["panels"] if panel["title"] in MAIN]
    rows = len(MAIN) // COLUMNS
    style: Any = {"font.size": 7, "svg.fonttype": "none", "svg.hashsalt": "stream_al", "path.simplify": True}
    with mpl.rc_context(style):
        figure, axes = plt.subplots(rows, COLUMNS, figsize=(11, 1.7 * rows), layout="constrained")
        for axis, panel in zip(axes.flat, panels, strict=True):
            shown = [source.courses(t["expr"], t["legendFormat"]) for t in panel["targets"]]
            courses = {name: course for found in shown for name, course in found.items() if course}
            (_heat if panel["type"] == "heatmap" else _lines)(axis, panel, courses)
            unit = panel["fieldConfig"]["defaults"]["unit"]
            axis.set_title(f"{panel['title']}{', ' + PER_UNIT[unit] if unit in PER_UNIT else ''}", loc="left")
            axis.set_xlim(0, (source.end - source.begin) / 60)
            for at in starts:
                axis.axvline(at, color=MARK, linestyle=":", linewidth=1)
        figure.supxlabel("minutes; dotted: drift found", fontsize=7)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        plt.close(figure)
    return out.getvalue()


def _lines(axis: Any, panel: dict[str, Any], courses: dict[str, Course]) -> None:
    scale = 1e-6 if panel["fieldConfig"]["defaults"]["unit"] == "bytes" else 1
    if {"low", "high"} <= courses.keys():
        low, high = courses.pop("low"), courses.pop("high")
        axis.fill_between([at for at, _ in low], [y for _, y in low], [y for _, y in high], alpha=0.2)
    for name, course in courses.items():
        if any(value for _, value in course) or len(courses) <= COLUMNS:  # empty series would fill the legend
            axis.plot(
                [at for at, _ in course], [value * scale for _, value in course], linewidth=1, label=name
            )
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.2)
    if axis.lines:
        axis.legend(loc="best", fontsize=5, frameon=False, ncols=2)


def _heat(axis: Any, panel: dict[str, Any], courses: dict[str, Course]) -> None:
    """Draw a heatmap. A bucket of Prometheus counts all values below its bound; a cell shows one range."""
    bounds = sorted(courses, key=float)
    times = sorted({at for course in courses.values() for at, _ in course})
    below = [dict.fromkeys(times, 0.0), *(dict(courses[bound]) for bound in bounds)]
    pairs = list(pairwise(below))[:-1]  # nothing is above 1
    cells = [[max(0.0, high.get(at, 0) - low.get(at, 0)) for at in times] for low, high in pairs]
    edges = [0.0, *map(float, bounds[:-1])]
    ends = [*times, times[-1] + (times[1] - times[0])]
    axis.pcolormesh(ends, edges, cells, cmap="Blues", rasterized=True)


def main() -> None:
    """Read the data, draw the picture and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", help="the URL of Prometheus")
    parser.add_argument("--application", default="stream_al", help="the name of the job that scrapes it")
    parser.add_argument("--minutes", type=float, default=60, help="the number of minutes to show")
    parser.add_argument("--window", type=int, default=60, help="seconds over which rates are computed")
    parser.add_argument("--out", type=Path, default=FILE, help="the file to write")
    given = parser.parse_args()
    source = Source(given.prometheus, given.application, given.minutes, given.window)
    given.out.write_text(draw(source), encoding="utf-8")


if __name__ == "__main__":
    main()
