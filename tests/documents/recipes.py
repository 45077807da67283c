"""The recipes of `deploy/RECIPES.md`, and how one is followed.

A recipe is a section of the page with five parts: when, set, run, see and watch. Its commands are run as they
stand, in a directory that holds the files which the page shows. To renew what the simulations print:
`python -m tests.documents.recipes`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.documents.markdown import BLOCK, ROOT, commands
from tests.support.processes import environment

__all__ = [
    "PAGE",
    "Recipe",
    "Row",
    "command_line",
    "environment_with",
    "recipes",
    "run_step",
    "table",
    "write_files",
]

PAGE = ROOT / "deploy" / "RECIPES.md"
LIMIT_SECONDS = 600  # for a busy machine; each command takes seconds
TITLE = re.compile(r"^Budget .*, (labels .*)$")
ROW = re.compile(r"^(\S+(?: \S+)*) +([\d,]+) +[\d.]+% +[\d.]+ +([\d.]+)%")


class Recipe(NamedTuple):
    """One recipe.

    Attributes:
        name: Its heading.
        text: The whole section.
        steps: Its commands, each as its words.
        shown: What it shows of the output; empty if it shows nothing.
    """

    name: str
    text: str
    steps: list[list[str]]
    shown: str


class Row(NamedTuple):
    """One row of a table of `stream-al simulate`.

    Attributes:
        delay: How late the labels came, in words.
        buyer: What bought the labels.
        labels: How many.
        accuracy: In percent.
    """

    delay: str
    buyer: str
    labels: int
    accuracy: float


def recipes() -> list[Recipe]:
    """All recipes of the page."""
    found = []
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        name, _, text = section.partition("\n")
        of = {match["language"]: match["text"] for match in BLOCK.finditer(text)}
        found.append(Recipe(name, text, list(commands(of["sh"])), of.get("text", "")))
    return found


def write_files(directory: Path) -> None:
    """Write the files that the page shows into a directory."""
    for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if match["name"]:
            (directory / match["name"]).write_text(match["text"], encoding="utf-8")


def command_line(words: list[str]) -> list[str]:
    """A command of the page as this interpreter runs it."""
    first, *rest = words
    return [sys.executable, *(["-m", "stream_al"] if first == "stream-al" else []), *rest]


def environment_with(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command of the page."""
    return environment() | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"} | dict(env)


def run_step(words: list[str], directory: Path, env: Mapping[str, str] = {}) -> str:
    """Run one command to its end; what it printed and no file took. It must succeed."""
    *command, mark, file = words if ">" in words else [*words, "", ""]
    done = subprocess.run(  # noqa: S603 - the commands of our own page
        command_line(command),
        cwd=directory,
        env=environment_with(env),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr}"
    if mark:
        (directory / file).write_text(done.stdout, encoding="utf-8")
        return ""
    return done.stdout


def table(text: str) -> list[Row]:
    """The rows of the tables in an output of `stream-al simulate`."""
    rows, delay = [], ""
    for line in text.splitlines():
        if title := TITLE.match(line):
            delay = title[1]
        elif found := ROW.match(line):
            rows.append(Row(delay, found[1], int(found[2].replace(",", "")), float(found[3])))
    return rows


def _renew() -> None:
    """Write what the simulations print into the page."""
    page = PAGE.read_text(encoding="utf-8")
    for recipe in recipes():
        if recipe.shown or "```text\n```" in recipe.text:
            with tempfile.TemporaryDirectory() as directory:
                write_files(Path(directory))
                printed = [
                    run_step(words, Path(directory))
                    for words in recipe.steps
                    if words[0] == "python" or "simulate" in words
                ]
            tables = "".join(printed).partition("\nAt a budget")[0].strip("\n")
            shown = "\n".join(line.rstrip() for line in tables.splitlines()) + "\n"
            renewed = recipe.text.replace(f"```text\n{recipe.shown}```", f"```text\n{shown}```")
            page = page.replace(recipe.text, renewed)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    _renew()
