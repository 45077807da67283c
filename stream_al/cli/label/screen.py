"""How a query looks in a terminal. A stranger may have written it: it is shown, and never obeyed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stream_al.cli.label.session import KEYS, LabelSession
from stream_al.client import LeasedQuery
from stream_al.messages import class_names
from stream_al.terminal import printable

__all__ = ["draw", "rendered"]

Features: TypeAlias = list[tuple[str, Any]]

MOST_FEATURES = 40
MOST_CHARACTERS = 300  # of a value in the table
MOST_TEXT = 4000  # of a text, and of a payload
LONG = 60  # a text from so many characters on stands below the table
REASONS = {
    "uncertain": "selected because the model doubts",
    "explore": "selected at random, to see the whole stream",
    "warmup": "selected because the model knows too little yet",
    "manual": "selected by hand",
}


def draw(console: Console, session: LabelSession, pending: int) -> None:
    """Draw the shown query anew."""
    if console.is_terminal:
        console.clear()
    console.print(rendered(session, pending))


def rendered(session: LabelSession, pending: int) -> RenderableType:
    """The shown query, the classes, and the last message."""
    return Group(*_parts(session, pending))


def _parts(session: LabelSession, pending: int) -> Iterator[RenderableType]:
    query = session.query
    yield Text(f"{session.given} given here, {pending} pending", style="dim")
    if query is not None:
        yield Text(_line(query.id), style="bold")
        yield Text(_why(query), style="dim")
        features = session.by_influence()
        yield _features(features)
        for name, text in _long_texts(features):
            yield Text(f"\n{_line(name)}", style="dim")
            yield Text(_lines(text))
        if query.payload is not None:
            yield Text("\npayload", style="dim")
            yield Text(_lines(_as_text(query.payload)))
        if session.guess_shown:
            yield Text(_guess(query), style="italic")
        yield _classes(session)
    if session.flagged:
        yield Text("flagged", style="yellow")
    if session.help_shown:
        yield _keys()
    if session.message:
        yield Text(_line(session.message), style="yellow")


def _features(features: Features) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    shown = [(name, value) for name, value in features if not _is_long(value)]
    for name, value in shown[:MOST_FEATURES]:
        table.add_row(Text(_line(name)), Text(_line(value if isinstance(value, str) else json.dumps(value))))
    if len(shown) > MOST_FEATURES:
        table.add_row("", Text(f"and {len(shown) - MOST_FEATURES} more"))
    return Padding(table, (1, 0, 0, 0))


def _long_texts(features: Features) -> Iterator[tuple[str, str]]:
    found = [(name, value) for name, value in features if _is_long(value)]
    yield from found[:MOST_FEATURES]


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and (len(value) > LONG or "\n" in value)


def _as_text(payload: Any) -> str:
    return payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False, indent=2)


def _why(query: LeasedQuery) -> str:
    why = REASONS.get(query.query.reason, f"selected: {query.query.reason}")
    second = ", and labelled by somebody else already" if query.second else ""
    return _line(f"{why}{second}")


def _guess(query: LeasedQuery) -> str:
    label = query.prediction.label
    name = "none" if label is None else class_names(label)[0]
    share = query.prediction.probabilities.get(name)
    return _line(f"the model's guess: {name}" + ("" if share is None else f", {100 * share:.0f} %"))


def _classes(session: LabelSession) -> RenderableType:
    line = Text("\n")
    for number, (_, name) in enumerate(session.shown, 1):
        line.append(f" {number} ", style="reverse").append(f" {_line(name)}   ")
    if not session.shown:
        line.append("no class is known yet: n names one" if session.open_classes else "/ searches again")
    rest = len(session.classes) - len(session.shown)
    if rest > 0:
        line.append(f"and {rest} more: / searches", style="dim")
    return line.append("\n? shows all keys", style="dim")


def _keys() -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for key, meaning in KEYS.items():
        table.add_row(Text(key, style="bold"), Text(meaning))
    return Padding(table, (1, 0))


def _line(text: str) -> str:
    """One line that no text of a stranger breaks."""
    return printable(text, MOST_CHARACTERS)


def _lines(text: str) -> str:
    """Several lines; each is shown and never obeyed."""
    cut = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}..."
    return "\n".join(printable(line) for line in cut.replace("\r\n", "\n").split("\n"))
