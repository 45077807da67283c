"""A table of texts, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

__all__ = ["TextTable", "wide_console"]

WIDTH = 150  # of tables that go to a file


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table whose first column has names and the others have numbers.

    >>> print(TextTable("Speed", ["case", "us"], [["floor", "2.1"]]).markdown())
    | case | us |
    |---|---|
    | floor | 2.1 |
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def rich(self, styles: Mapping[str, str] = {}) -> Table:
        """The table for a terminal; a row has the style of its name."""
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for position, name in enumerate(self.header):
            table.add_column(name, justify="left" if position == 0 else "right")
        for row in self.rows:
            table.add_row(*row, style=styles.get(row[0]))
        return table

    def markdown(self) -> str:
        """The table as Markdown, without its title."""
        lines = [self.header, *self.rows]
        written = ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join([written[0], "|---" * len(self.header) + "|", *written[1:]])


def wide_console() -> Console:
    """Standard output, with room for a table also where it is a file."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH)
