"""What a file holds, told by its first bytes and not by its name: the compression, the format, the encoding.

| first bytes | content |
|---|---|
| `1f 8b` | compressed with gzip; what is below holds for the content |
| `PAR1` | Parquet |
| `{`, or `[` and what follows it in JSON | JSON |
| anything else | CSV |

A text is UTF-8 unless it begins with the byte order mark of UTF-16 or UTF-32, or every second one of its
first bytes is zero, as in UTF-16 without a mark.
"""

from __future__ import annotations

import codecs
import gzip
import io
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import msgspec

from stream_al.errors import Misconfigured

__all__ = ["decoded", "first_bytes", "format_of", "opened"]

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
OTHERS = {
    b"PK\x03\x04": "a ZIP archive, or a workbook of Excel: save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel: save the sheet as CSV",
    b"BZh": "compressed with bzip2: decompress it, or compress it with gzip",
    b"\xfd7zXZ": "compressed with xz: decompress it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: decompress it, or compress it with gzip",
    b"Obj\x01": "an Avro file: convert it to Parquet or JSON lines",
    b"ARROW1": "an Arrow file: write it as Parquet",
}
"""Formats that are not read, by their first bytes, and what to do."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SNIFFED = 4096


def opened(path: Path) -> BinaryIO:
    """The file, decompressed."""
    with path.open("rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path)) if compressed else path.open("rb")


def first_bytes(file: BinaryIO) -> bytes:
    """The first bytes of a file, which is then at its beginning again."""
    first = file.read(SNIFFED)
    file.seek(0)
    return first


def format_of(path: Path, first: bytes, encoding: str | None) -> str:
    """The format of a file with these first bytes: `parquet`, `json` or `csv`.

    Raises:
        Misconfigured: It is a file of a known kind that is not read here.

    >>> format_of(Path("s"), b'[{"x": 1}]', None), format_of(Path("s"), b"x,label", None)
    ('json', 'csv')
    """
    for magic, what in OTHERS.items():
        if first.startswith(magic):
            raise Misconfigured(f"{path}: it is {what}")
    named = [suffix for suffix in path.suffixes if suffix != ".gz"][-1:]
    if first.startswith(PARQUET_MAGIC) or named == [".parquet"]:
        return "parquet"  # if only its name says so, the reader says what is wrong
    text = first.decode(_encoding(first, encoding), "ignore").lstrip("\ufeff \t\r\n")
    if text.startswith("{") or _begins_array(text):
        return "json"
    return "csv" if text or named[:1] not in ([".json"], [".jsonl"], [".ndjson"]) else "json"


def _begins_array(text: str) -> bool:
    """Whether it is JSON: an array of objects, or arrays on lines, of which the caller says what is wrong."""
    if not text.startswith("["):
        return False
    if text[1:].lstrip()[:1] in ("{", "]", ""):
        return True
    try:
        return isinstance(msgspec.json.decode(text.splitlines()[0]), list)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False


def decoded(file: BinaryIO, first: bytes, encoding: str | None) -> TextIO:
    """The text of a file, with the ends of lines as they are.

    Raises:
        Misconfigured: There is no such encoding.
    """
    return io.TextIOWrapper(file, encoding=_encoding(first, encoding), newline="")


def _encoding(first: bytes, given: str | None) -> str:
    if given is not None:
        try:
            name = codecs.lookup(given).name
            "".encode(name)
        except LookupError:
            raise Misconfigured(
                f"--encoding: write utf-8, utf-16, cp1252 or another one, not {given!r}"
            ) from None
        return "utf-8-sig" if name == "utf-8" else name
    for mark, name in MARKS.items():
        if first.startswith(mark):
            return name
    if len(first) > 3 and first.count(0) > len(first) // 4:
        return "utf-16-le" if first[1] == 0 else "utf-16-be"
    return "utf-8-sig"
