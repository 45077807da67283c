"""Texts as people see them. What stands in a record, a file or a request may be written by a stranger."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["listed", "printable", "quoted", "shortened"]

NAMES, NAME_CHARACTERS = 5, 60  # of a list in a sentence; a cell of a file may have millions
QUOTED_CHARACTERS = 60


def printable(text: str, most: int | None = None) -> str:
    r"""A text that a terminal shows and never obeys.

    Control characters, and those that turn the direction of writing, become escapes. So no text moves the
    cursor, changes the title of the window, or looks like two lines.

    Args:
        text: The text.
        most: How many of its characters are shown; None for all.

    >>> printable("caf\u00e9 \x1b[2J\u202e\n"), printable("abcdef", 4)
    ('café \\x1b[2J\\u202e\\n', 'abcd...')
    """
    if most is not None and len(text) > most:
        text = f"{text[:most]}..."
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def listed(names: Sequence[str], most: int = NAMES) -> str:
    r"""The first names of a list, as they stand in a sentence, and how many more there are.

    >>> listed(["a", "b\n" + 99 * "c"]), listed(list("abcdefg"))
    ('a, b\\nccccccccccccccccccccccccccccccccccccccccccccccccccccccccc...', 'a, b, c, d, e and 2 more')
    """
    shown = ", ".join(printable(name, NAME_CHARACTERS) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def shortened(text: str, most: int) -> str:
    """A text of `most` characters at most. Three of them are dots if something is left out.

    >>> shortened("abcdef", 6), shortened("abcdefg", 6)
    ('abcdef', 'abc...')
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def quoted(text: str) -> str:
    r"""What a user wrote, as it stands in an error: on one line, in quotes, and short.

    >>> quoted("margin *\n nothing")
    "'margin * nothing'"
    """
    return repr(shortened(" ".join(text.split()), QUOTED_CHARACTERS))
