"""Records of a JSON file: one object a line, arrays of objects, or objects of several lines.

Objects on lines of their own, which is what the export writes, are read line by line, each by the decoder
that reads the records of topics. A line that it cannot read is a record all the same, so that the records
after it keep their numbers; it is left out and counted, as the service puts such a record aside. In any other
layout an object may have many lines. It is then found by Python's decoder, in a text that is read piece by
piece, so the file is never in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any, TextIO

import msgspec

from stream_al.datasets.table import Record
from stream_al.errors import BadMessage, Misconfigured
from stream_al.json_records import decode_json

__all__ = ["json_records", "wrapped"]

RECORD_CHARACTERS = 20_000_000  # the longest record
PIECE = 2**16
LONGEST_WORD = len("-Infinity")


def json_records(path: Path, text: TextIO) -> Iterator[tuple[str, Record]]:
    """The objects in a text, each with its place in words; for a line that is none, what is wrong with it.

    Args:
        path: The file, to name.
        text: Its text.

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
            record: Record = _object(text_of_line)
        except BadMessage as error:
            record = error.kept()
        yield place, record


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


def _objects(path: Path, begun: str, text: TextIO, *, array: bool) -> Iterator[tuple[str, Record]]:
    """The objects of arrays, or objects one after the other."""
    decoder = JSONDecoder()
    rest = begun.lstrip()[1:] if array else begun
    number, ended, inside = 0, False, array
    while True:
        rest = rest.lstrip(" \t\r\n,")
        if array and rest.startswith("]" if inside else "["):  # some programs write an array a page
            inside, rest = not inside, rest[1:]
            continue
        if array and rest and not inside:
            raise Misconfigured(f"{path}: after an array, behind record {number}, comes {rest[:20]!r}")
        end = _end_of(path, decoder, rest, number + 1, ended=ended)
        if end:
            number += 1
            yield f"record {number}", _member(path, number, rest[:end])
            rest = rest[end:]
            continue
        if ended:
            if inside:
                raise Misconfigured(f"{path}: it ends before the array does")
            return
        if len(rest) > RECORD_CHARACTERS:
            raise Misconfigured(f"{path}: record {number + 1} has more than {RECORD_CHARACTERS:,} characters")
        more = text.read(max(PIECE, len(rest)))  # at least as much again, so a long record is not read often
        ended = not more
        rest += more


def _end_of(path: Path, decoder: JSONDecoder, rest: str, number: int, *, ended: bool) -> int:
    """The length of the value that a text begins with; 0 if the text has none, or is cut off within it."""
    try:
        return decoder.raw_decode(rest)[1] if rest else 0
    except RecursionError:
        raise Misconfigured(f"{path}: record {number} is nested too deeply") from None
    except JSONDecodeError as error:
        if ended or not _may_go_on(error):
            raise Misconfigured(f"{path}: record {number} is not JSON: {error.msg}") from None
        return 0


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
    value = text.encode("utf-8", "surrogatepass")
    found = decode_json(value, max_bytes=len(value))
    if not isinstance(found, dict):
        raise BadMessage("not_an_object", "it is no object, and a record is one")
    return found
