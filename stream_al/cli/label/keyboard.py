"""The keyboard of a terminal: single keys, with a deadline, and lines of text."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from stream_al.errors import Misconfigured

__all__ = ["Keyboard", "TerminalKeyboard"]

ESCAPE = b"\x1b"
MOST_BYTES = 64  # of one key, or of what was typed ahead
END_OF_INPUT = "q"


class Keyboard(Protocol):
    """What the session reads."""

    def key(self, seconds: float) -> str | None:
        """One key; None if none is pressed in time."""

    def line(self, prompt: str) -> str:
        """One line of text."""


class TerminalKeyboard:
    """The keyboard of the terminal that is the standard input.

    Raises:
        Misconfigured: The standard input is no terminal.
    """

    def __init__(self) -> None:
        if not sys.stdin.isatty():
            raise Misconfigured("the standard input is no terminal: add --json to read labels as JSON lines")
        self._file = sys.stdin.fileno()
        self._typed: list[str] = []

    def key(self, seconds: float) -> str | None:
        """One key; None if none is pressed in time. The end of the input is q."""
        if not self._typed:
            with _single_keys(self._file):
                if not select.select([self._file], [], [], seconds)[0]:
                    return None
                read = os.read(self._file, MOST_BYTES)
            if not read:
                return END_OF_INPUT
            # Keys such as arrows send several bytes, the first of which is Escape: they mean nothing here.
            self._typed = [] if read.startswith(ESCAPE) else list(read.decode("utf-8", "replace"))
        return self._typed.pop(0) if self._typed else ""

    def line(self, prompt: str) -> str:
        """One line of text; empty at the end of the input."""
        self._typed.clear()
        try:
            return input(f"{prompt}: ")
        except EOFError:
            return ""


@contextmanager
def _single_keys(file: int) -> Iterator[None]:
    """Let the terminal give each key at once, without showing it."""
    import termios  # noqa: PLC0415 - not on every system
    import tty  # noqa: PLC0415

    before = termios.tcgetattr(file)
    tty.setcbreak(file, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(file, termios.TCSANOW, before)
