"""The picture of the demo in the README: `python -m tests.demo.picture [FILE.svg]`, a quarter of a minute.

The demo runs in a pseudo-terminal. What stands on that terminal at the end is drawn.
"""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.support.processes import command, environment

__all__ = ["FILE", "draw", "last_screen"]

FILE = Path(__file__).parents[2] / "deploy" / "demo.svg"
ROWS, COLUMNS = 40, 84
CONTROL = re.compile(r"(\n|\r|\x1b\[2K|\x1b\[1A|\x1b\[\?25[lh])")
"""What a live panel writes before it draws itself anew: up a line, erase it; it also hides the cursor."""
FONT_FROM_THE_NET = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def last_screen(output: str) -> str:
    r"""What stands on a terminal in the end; only the controls of a live panel are known.

    >>> last_screen("start\r\n50 %\r\n\x1b[1A\x1b[2K100 %\r\n")
    'start\n100 %'
    """
    lines, row = [""], 0
    for piece in CONTROL.split(output):
        if piece == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif piece == "\x1b[1A":
            row -= 1
        elif piece == "\x1b[2K":
            lines[row] = ""
        elif not CONTROL.fullmatch(piece):
            lines[row] += piece
    return "\n".join(lines).rstrip()


def performance() -> str:
    """Everything that the demo writes to a terminal."""
    ours, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm-256color"}
    demo = subprocess.Popen(  # noqa: S603 - our own words
        command("demo"), stdin=its, stdout=its, stderr=its, env=environment() | size
    )
    os.close(its)
    written = bytearray()
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # how Linux says that the other side is closed
            break
        written += piece
    os.close(ours)
    if demo.wait():
        sys.exit(f"the demo ended with {demo.returncode}")
    return written.decode()


def draw(screen: str) -> str:
    """A terminal's text as SVG, in a font that the reader has."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.strip("\n")), soft_wrap=True)
    svg = FONT_FROM_THE_NET.sub("", console.export_svg(title="stream-al demo", unique_id="demo"))
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    picture = draw(last_screen(performance()))
    (Path(sys.argv[1]) if sys.argv[1:] else FILE).write_text(picture, encoding="utf-8")
