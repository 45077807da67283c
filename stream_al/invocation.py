"""How this command was called, so that a next command can be written that can be copied."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

__all__ = ["again_with", "program"]


def program() -> str:
    """The name of the program, with the path by which it was called."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "stream-al" else "stream-al"


def again_with(option: str, value: object) -> str:
    """This command with another value of an option."""
    words: list[str] = []
    given = iter(sys.argv[1:])
    for word in given:
        if word == option:
            next(given, None)
        elif not word.startswith(f"{option}="):
            words.append(word)
    return shlex.join([program(), *words, option, str(value)])
