"""The view of a running demo: a live panel in a terminal, elsewhere a line every few seconds.

Both go to standard error, so that standard output holds the result and nothing else.
"""

from __future__ import annotations

from contextlib import ExitStack
from time import monotonic
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stream_al.demo.ending import Interrupted
from stream_al.demo.session import Demo, Summary
from stream_al.messages import label_text
from stream_al.simulate.class_scores import ClassScore
from stream_al.terminal import printable

__all__ = ["View", "report", "report_of_part"]

LINE_SECONDS = 3.0
WIDTH = 78
MOST_CHARACTERS = 40  # of a class
LEGEND = {
    "threshold": "the label of a sample is bought if its utility, 0 to 1, reaches it",
    "so far": "the true accuracy over all samples, which only a demo can know",
    "estimated": "the same as the service knows it, from the labels it bought alone;",
    "": "in 95 of 100 cases the interval behind it holds the true value",
}


class View:
    """Draws a demo. It is a context manager, because it must restore the terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._context = ExitStack()
        self._live: Live | None = None
        self._next_line = 0.0
        self._explained = False

    def __enter__(self) -> View:
        if self.console.is_terminal:
            live = Live(console=self.console, refresh_per_second=10, redirect_stdout=False)
            self._live = self._context.enter_context(live)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.__exit__(kind, error, trace)

    def refresh(self, demo: Demo) -> None:
        """Draw the state of the demo."""
        if self._live is not None:
            self._live.update(_panel(demo), refresh=bool(demo.ended))
        elif monotonic() >= self._next_line or demo.ended:
            if demo.began and not self._explained:
                self._explained = True
                self.console.print("\n".join(_legend()), soft_wrap=True, highlight=False)
            self._next_line = monotonic() + LINE_SECONDS
            self.console.print(_line(demo), soft_wrap=True, highlight=False)


def report(summary: Summary) -> RenderableType:
    """The summary as a table."""
    saved = summary.samples - summary.queries
    table = Table(box=None, padding=(0, 3, 0, 0), show_header=True, header_style="dim")
    table.add_column("labels bought")
    table.add_column("number", justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("", style="dim")
    table.add_row("[bold]by the service", f"[bold]{summary.queries:,}", f"[bold]{_percent(summary.accuracy)}")
    draws = summary.accuracy_random_runs
    spread = f"mean of {len(draws)} draws, {_percent(min(draws))} to {_percent(max(draws))}"
    table.add_row("as many, at random", f"{summary.queries:,}", _percent(summary.accuracy_random), spread)
    table.add_row("all of them", f"{summary.samples:,}", _percent(summary.accuracy_all_labels))
    return Group(
        Text(
            f"{summary.samples:,} samples in {summary.seconds:.1f} s, {summary.queries:,} labels bought "
            f"({_percent(summary.budget_spent)}), {saved:,} saved."
        ),
        Text("Accuracy over all samples, each predicted before its label was known:"),
        Text(),
        table,
        Text(),
        Text(_rarest(summary)),
    )


def report_of_part(part: Interrupted) -> RenderableType:
    """What an interrupted demo has done, in sentences."""
    spent = _percent(part.queries / part.samples)
    lines = [
        f"Interrupted after {part.samples:,} of {part.of:,} samples in {part.seconds:.1f} s",
        f"{part.queries:,} labels bought ({spent}), {part.examples:,} learned",
        f"Accuracy over these samples, each predicted before its label was known: {_percent(part.accuracy)}",
    ]
    if part.estimated:
        low, high = (_percent(part.estimated[end]) for end in ("low", "high"))
        lines.append(f"As the service estimates it: {_percent(part.estimated['accuracy'])}, {low} to {high}")
    return Text("\n".join(lines))


def _legend() -> list[str]:
    return [f"{word:<11}{meaning}" for word, meaning in LEGEND.items()]


def _rarest(summary: Summary) -> str:
    """What the service has done for the rarest class, and what labels at random would have done."""
    found, at_random = summary.rarest, summary.rarest_random
    name = printable(label_text(found.label), MOST_CHARACTERS)
    return (
        f"The rarest class, {name}, has {_percent(found.samples / summary.samples)} of the samples: "
        f"{_scores(found)}. At random: {_scores(at_random)}."
    )


def _scores(score: ClassScore) -> str:
    """Recall and precision, each with its 95% interval, and the labels bought."""
    precise = score.precision_interval
    precision = f"{_percent(score.precision)} ({_between(precise)})" if precise else "0"
    recall = f"{_percent(score.recall)} ({_between(score.recall_interval)})"
    return f"recall {recall}, precision {precision}, {score.labels:,} labels"


def _between(interval: tuple[float, float]) -> str:
    return " to ".join(f"{100 * end:.1f}" for end in interval)


def _panel(demo: Demo) -> Panel:
    plan, scoreboard, total = demo.plan, demo.scoreboard, len(demo.plan.samples)
    top = Table.grid(padding=(0, 2), expand=True)
    top.add_column(ratio=1)
    top.add_column(justify="right")
    top.add_row(
        ProgressBar(total=total, completed=demo.decided, pulse=not demo.began),
        f"{demo.decided:>{len(f'{total:,}')},} of {total:,} samples",
    )
    rest = Table.grid(padding=(0, 3))
    rest.add_column(style="dim")
    for _ in range(3):
        rest.add_column(min_width=18)
    asked = plan.settings.budget.share
    spent = scoreboard.queries / scoreboard.decided if scoreboard.decided else 0.0
    rest.add_row("stream", f"{_rate(demo)} samples/s", f"{demo.seconds:.1f} s", _state(demo))
    rest.add_row(
        "budget",
        f"{_percent(asked)} asked",
        f"{_percent(spent)} spent",
        f"threshold {scoreboard.threshold:.3f}",
    )
    rest.add_row(
        "labels",
        f"{scoreboard.queries:,} bought",
        f"{demo.learned:,} learned",
        f"{len(demo.app.pending):,} pending",
    )
    rest.add_row("accuracy", f"[bold]{_percent(scoreboard.accuracy)}[/] so far", *_estimate(demo))
    return Panel(
        Group(top, Text(), rest, Text(), Text("\n".join(_legend()), style="dim")),
        title=f"stream_al demo: [bold]{plan.name}",
        title_align="left",
        subtitle=_address(demo),
        subtitle_align="left",
        width=min(WIDTH + 4, 100),
        padding=(1, 2),
        border_style="dim",
    )


def _line(demo: Demo) -> str:
    if not demo.began:
        return "starting"
    scoreboard = demo.scoreboard
    estimated = " ".join(_estimate(demo))
    return (
        f"{demo.decided:,} of {len(demo.plan.samples):,} samples, {_rate(demo)}/s, "
        f"{scoreboard.queries:,} labels, accuracy {_percent(scoreboard.accuracy)} so far, "
        f"{estimated}, {_address(demo)}"
    )


def _estimate(demo: Demo) -> tuple[str, str]:
    estimate = demo.app.local_model.learner.evaluation.current.overall.estimate()
    if estimate is None:
        return "no estimate yet", ""
    between = f"{_percent(estimate.low)} to {_percent(estimate.high)}"
    return f"{_percent(estimate.accuracy)} estimated", between


def _address(demo: Demo) -> str:
    return f"{demo.url}/{'desk' if demo.plan.desk else 'docs'}" if demo.url else ""


def _state(demo: Demo) -> str:
    if not demo.began:
        return "starting"
    return "done" if demo.ended else "running"


def _rate(demo: Demo) -> str:
    return f"{demo.decided / demo.seconds:,.0f}" if demo.seconds else "0"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share < 0.1 else f"{100 * share:.1f} %"
