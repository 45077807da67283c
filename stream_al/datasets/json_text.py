"""Records of a JSON file: one object a line, an array of objects, or objects one after the other.

Objects on lines of their own, which is what the export writes, are read line by line, each by the decoder
that reads the records of topics. In any other layout an object may have many lines. It is then found by
Python's decoder, in a text that is read piece by piece, so the file is never in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any, TextIO

import msgspec

from stream_al.errors import Misconfigured

__all__ = ["json_records"]

RECORD_CHARACTERS = 20_000_000  # the longest record
PIECE = 2**16
LONGEST_WORD = len("-Infinity")


def json_records(path: Path, text: TextIO) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in a text, each with its place in words.

    Raises:
        Misconfigured: It is no JSON, or holds anything else than objects.
    """
    lines = _lines(path, text)
    first = next(lines, None)
    if first is None:
        return
    number, line = first
    if line.lstrip().startswith("["):
        yield from _objects(path, line, text, array=True)
        return
    if not _is_whole(line):
        follows = next(lines, (number + 1, ""))
        if follows[1].lstrip()[:1] in ('"', "}", "]", ","):
            yield from _objects(path, line + follows[1], text, array=False)
            return
        lines = chain([follows], lines)
    for number_of_line, text_of_line in chain([first], lines):
        yield _object(path, f"line {number_of_line}", text_of_line)


def _lines(path: Path, text: TextIO) -> Iterator[tuple[int, str]]:
    number = 0
    while line := text.readline(RECORD_CHARACTERS):
        number += 1
        if len(line) == RECORD_CHARACTERS and not line.lstrip().startswith("["):
            raise Misconfigured(f"{path}: line {number} has more than {RECORD_CHARACTERS:,} characters")
        if line.strip():
            yield number, line


def _is_whole(line: str) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False
    return True


def _objects(path: Path, begun: str, text: TextIO, *, array: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of an array, or objects one after the other."""
    decoder = JSONDecoder()
    rest = begun.lstrip()[1:] if array else begun
    number, ended = 0, False
    while True:
        rest = rest.lstrip(" \t\r\n,")
        if array and rest.startswith("]"):
            return
        try:
            end = decoder.raw_decode(rest)[1] if rest else 0
        except RecursionError:
            raise Misconfigured(f"{path}: record {number + 1} is nested too deeply") from None
        except JSONDecodeError as error:
            if ended or not _may_go_on(error):
                raise Misconfigured(f"{path}: record {number + 1} is not JSON: {error.msg}") from None
            end = 0
        if end:
            number += 1
            yield _object(path, f"record {number}", rest[:end])
            rest = rest[end:]
            continue
        if ended:
            if array:
                raise Misconfigured(f"{path}: it ends before the array does")
            return
        if len(rest) > RECORD_CHARACTERS:
            raise Misconfigured(f"{path}: record {number + 1} has more than {RECORD_CHARACTERS:,} characters")
        more = text.read(max(PIECE, len(rest)))  # at least as much again, so a long record is not read often
        ended = not more
        rest += more


def _may_go_on(error: JSONDecodeError) -> bool:
    """Whether a record is cut off rather than wrong. A text that is cut off fails at its end."""
    cut_off = error.msg.startswith(("Unterminated string", "Invalid \\u"))
    return cut_off or error.pos >= len(error.doc) - LONGEST_WORD


def _object(path: Path, place: str, text: str) -> tuple[str, dict[str, Any]]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Misconfigured(f"{path}: {place} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Misconfigured(f"{path}: {place} is no object, and a record is one")
    return place, found
