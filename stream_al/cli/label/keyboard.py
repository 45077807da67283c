"""The keyboard of a terminal: single keys, with a deadline, and lines of text."""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from stream_al.errors import Misconfigured

__all__ = ["Keyboard", "TerminalKeyboard", "keys_of", "terminal_keyboard"]

MOST_BYTES = 64  # that are read at once
END_OF_INPUT = "q"
SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
"""What a terminal sends for a key that is no character, such as an arrow."""


class Keyboard(Protocol):
    """What the session reads."""

    def key(self, seconds: float) -> str | None:
        """One key; None if none is pressed in time."""

    def line(self, prompt: str) -> str:
        """One line of text."""


def keys_of(text: str) -> list[str]:
    r"""The keys that are characters, in what a terminal has sent.

    >>> keys_of("1\x1b[A2\x1b")
    ['1', '2']
    """
    return list(SEQUENCE.sub("", text))


class TerminalKeyboard:
    """The keyboard of a terminal that gives each key at once.

    Args:
        file: The descriptor of the terminal.
        before: How the terminal was, for lines of text.
    """

    def __init__(self, file: int, before: list[Any]) -> None:
        self._file = file
        self._before = before
        self._typed: list[str] = []

    def key(self, seconds: float) -> str | None:
        """One key; None if none is pressed in time. The end of the input is q."""
        if not self._typed:
            if not select.select([self._file], [], [], seconds)[0]:
                return None
            read = os.read(self._file, MOST_BYTES)
            self._typed = keys_of(read.decode("utf-8", "replace")) if read else [END_OF_INPUT]
        return self._typed.pop(0) if self._typed else None

    def line(self, prompt: str) -> str:
        """One line of text; empty at the end of the input."""
        self._typed.clear()
        with _mode(self._file, self._before):
            try:
                return input(f"{prompt}: ")
            except EOFError:
                return ""


@contextmanager
def terminal_keyboard() -> Iterator[TerminalKeyboard]:
    """The keyboard of the terminal that is the standard input. Afterwards the terminal is as before.

    Raises:
        Misconfigured: The standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise Misconfigured("the standard input is no terminal: add --json to read labels as JSON lines")
    import termios  # noqa: PLC0415 - not on every system
    import tty  # noqa: PLC0415

    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    tty.setcbreak(file, termios.TCSANOW)  # keys that are pressed ahead are kept, and not shown
    try:
        yield TerminalKeyboard(file, before)
    finally:
        termios.tcsetattr(file, termios.TCSANOW, before)


@contextmanager
def _mode(file: int, mode: list[Any]) -> Iterator[None]:
    """Let a terminal be in another mode meanwhile."""
    import termios  # noqa: PLC0415

    now = termios.tcgetattr(file)
    termios.tcsetattr(file, termios.TCSANOW, mode)
    try:
        yield
    finally:
        termios.tcsetattr(file, termios.TCSANOW, now)
