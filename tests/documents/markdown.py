"""The documents of the project, and what is in them.

A block in a document has a language and may have a name, in a comment above it:

    <!-- start -->
    ```sh
    stream-al serve
    ```
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

__all__ = [
    "README",
    "ROOT",
    "ROUTES",
    "Block",
    "between",
    "block",
    "blocks",
    "commands",
    "every_document",
    "prose",
    "quoted",
    "shown_files",
]

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ROUTES: dict[str, Any] = json.loads((ROOT / "deploy" / "openapi.json").read_text(encoding="utf-8"))["paths"]
DOCUMENTS = sorted([README, *(ROOT / "deploy").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
BLOCK = re.compile(
    r"(?:^<!-- (?P<name>[\w.-]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))


class Block(NamedTuple):
    """A block of code in a document."""

    name: str | None
    language: str
    text: str


def blocks(document: Path, language: str) -> list[Block]:
    found = (Block(**match.groupdict()) for match in BLOCK.finditer(document.read_text(encoding="utf-8")))
    return [block for block in found if block.language == language]


def block(document: Path, name: str) -> str:
    """The text of the one block that has this name."""
    found = BLOCK.finditer(document.read_text(encoding="utf-8"))
    (text,) = [match["text"] for match in found if match["name"] == name]
    return text


def shown_files() -> set[str]:
    """The files that the documents show in full, which a reader is to write."""
    texts = (document.read_text(encoding="utf-8") for document in DOCUMENTS)
    return {match["name"] for text in texts for match in BLOCK.finditer(text) if "." in (match["name"] or "")}


def between(document: Path, name: str) -> str:
    """What a document holds between the two markers of a name."""
    text = document.read_text(encoding="utf-8")
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


def prose(document: Path) -> str:
    """A document without its blocks of code."""
    return BLOCK.sub("", document.read_text(encoding="utf-8"))


def quoted(document: Path) -> list[str]:
    """What stands in backticks in the prose."""
    return [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", prose(document))]


def commands(text: str) -> Iterator[list[str]]:
    r"""The commands of a block in sh, each as its words.

    >>> list(commands("a --b 'c d' && e  # f\n(h i && j)\n\nk \\\n  l\n"))
    [['a', '--b', 'c d'], ['e'], ['h', 'i'], ['j'], ['k', 'l']]
    """
    for line in text.replace("\\\n", " ").splitlines():
        found: list[str] = []
        for word in [*shlex.split(line, comments=True), "&&"]:
            if word != "&&":
                found.append(word.strip("()"))
            elif found:
                yield found
                found = []
