"""What a simulation shows while it runs: a bar on a terminal, elsewhere a line now and then.

Both go to standard error. A line says how much is done and about how long the rest takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["Shown", "duration", "showing"]

LINE_SECONDS = 10.0


class Shown:
    """What is shown of the progress.

    Args:
        console: Where.
        bar: The bar, and its task; it shows nothing where there is no terminal.
        clock: Gives the time in seconds.
    """

    def __init__(
        self, console: Console, bar: Progress, task: TaskID, clock: Callable[[], float] = monotonic
    ) -> None:
        self._console, self._bar, self._task, self._clock = console, bar, task, clock
        self._next_line = clock() + LINE_SECONDS
        self._began, self._what, self._total = clock(), "", 0

    def reading(self, rows: int) -> None:
        """Rows are read."""
        self._bar.update(self._task, description=f"reading {rows:,}")
        self._line(lambda: f"reading: {rows:,} rows")

    def begin(self, what: str, total: int, costs: Sequence[float] | None = None) -> None:
        """Begin with the runs.

        Args:
            what: What is done.
            total: The number of samples in all runs.
            costs: What each run costs, in their order and in any unit; without it all cost the same. A run
                that learns every label costs many times as much as the others.
        """
        self._began, self._what, self._total = self._clock(), what, total
        self._costs = list(costs) if costs and sum(costs) > 0.0 else [1.0]
        self._bar.update(self._task, description=what, total=sum(self._costs))

    def done(self, number: int) -> None:
        """So many samples are done in all runs."""
        self._bar.update(self._task, completed=self._work(number))
        self._line(lambda: self._text(number))

    def _work(self, number: int) -> float:
        """What was spent on these samples, in the unit of the costs: runs are made in their order."""
        runs = number * len(self._costs) / self._total
        whole = int(runs)
        return sum(self._costs[:whole]) + sum(self._costs[whole : whole + 1]) * (runs - whole)

    def _text(self, number: int) -> str:
        spent, work = self._clock() - self._began, self._work(number)
        left = f", about {duration(spent * (sum(self._costs) - work) / work)} left" if work > 0.0 else ""
        share = 100 * number / self._total
        return (
            f"{self._what}: {number:,} of {self._total:,} samples ({share:.0f} %) in {duration(spent)}{left}"
        )

    def _line(self, text: Callable[[], str]) -> None:
        if not self._console.is_terminal and self._clock() >= self._next_line:
            self._next_line = self._clock() + LINE_SECONDS
            self._console.print(text(), markup=False)


@contextmanager
def showing(console: Console) -> Iterator[Shown]:
    """Show the progress on a console."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Shown(console, bar, bar.add_task("reading", total=None))


def duration(seconds: float) -> str:
    """A length of time, for people.

    >>> duration(8.4), duration(100), duration(5000), duration(100_000)
    ('8 s', '1.7 min', '1.4 h', '28 h')
    """
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size * (1.5 if unit == "min" else 1.0):
            number = seconds / size
            return f"{number:.1f} {unit}" if number < 10 else f"{number:,.0f} {unit}"
    return f"{seconds:.0f} s"
