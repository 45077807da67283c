"""Records of a JSON file: one object a line, an array of objects, or objects one after the other.

Objects on lines of their own, which is what the export writes, are read line by line, each by the decoder
that reads the records of topics. A line that it cannot read is left out and counted, as the service puts such
a record aside. In any other layout an object may have many lines. It is then found by
Python's decoder, in a text that is read piece by piece, so the file is never in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any, TextIO

import msgspec

from stream_al.datasets.form import Noticed
from stream_al.errors import BadMessage, Misconfigured
from stream_al.malformed import hint

__all__ = ["json_records", "wrapped"]

RECORD_CHARACTERS = 20_000_000  # the longest record
PIECE = 2**16
LONGEST_WORD = len("-Infinity")


def json_records(path: Path, text: TextIO, noticed: Noticed) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in a text, each with its place in words.

    Args:
        path: The file, to name.
        text: Its text.
        noticed: Counts the lines that are left out.

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
        place = f"line {number_of_line}"
        try:
            yield place, _object(text_of_line)
        except BadMessage as error:
            noticed.refuse(error.reason, place, str(error))


def wrapped(record: Any) -> str | None:
    """The member of an object that holds the records, if the object is none itself.

    >>> wrapped({"total": 2, "data": [{"x": 1}, {"x": 2}]}), wrapped({"x": 1, "tags": ["a"]})
    ('data', None)
    """
    if not isinstance(record, dict):
        return None
    arrays = [name for name, value in record.items() if isinstance(value, list) and value]
    return next((name for name in arrays if all(isinstance(one, dict) for one in record[name])), None)


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
            yield f"record {number}", _member(path, number, rest[:end])
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


def _member(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        return _object(text)
    except BadMessage as error:
        raise Misconfigured(f"{path}: record {number}: {error}") from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessage(
            "not_json", f"it is not JSON: {error}{hint(text.encode(errors='replace'))}"
        ) from None
    if not isinstance(found, dict):
        raise BadMessage("not_an_object", "it is no object, and a record is one")
    return found
