"""Rows of a Parquet file, read and written with pyarrow, which the extra `parquet` installs.

Types that JSON lacks are converted, so that the same rows in another format are the same stream: a date or a
time becomes ISO 8601 text, a UUID its text, a decimal a number, a duration its seconds, and a map an object.
Bytes become their text if they are UTF-8, as some programs write all texts, and base64 if not. NaN, which
data frames write for a missing cell, counts as missing.

A column has one type. A feature that is a number in one sample and a text in another is written as JSON, and
the column says so in its metadata. So every value comes back as it was.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import msgspec

from stream_al.datasets.table import Record, Table, grouped, label_column, require_distinct
from stream_al.errors import Misconfigured

__all__ = ["parquet_table", "write_parquet"]

AT_ONCE = 4096
FORM, AS_JSON = b"stream_al.form", b"json"


def parquet_table(path: Path, file: BinaryIO, *, label: str | None, objects: Collection[str]) -> Table:
    """The table in a Parquet file. What is missing in a row is not in its record.

    Args:
        path: Its name, to show.
        file: Its bytes.
        label: The column that the user names.
        objects: Paths of objects whose members are columns.

    Raises:
        Misconfigured: The file is no Parquet file, or pyarrow is not installed.
    """
    _require(f"{path}: to read Parquet")
    from pyarrow import ArrowException  # noqa: PLC0415 - an extra, and slow
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    try:
        table = ParquetFile(file)
    except ArrowException as error:
        raise Misconfigured(f"{path}: it is no Parquet file: {_line(error)}") from None
    columns = list(table.schema_arrow.names)
    if not columns:
        raise Misconfigured(f"{path}: it is empty; it has not one column")
    require_distinct(path, columns)
    as_json = {field.name for field in table.schema_arrow if (field.metadata or {}).get(FORM) == AS_JSON}

    group = grouped(columns, objects)

    def read() -> Iterator[tuple[str, Record]]:
        number = 0
        try:
            for batch in table.iter_batches(batch_size=AT_ONCE):
                for row in _rows_of(path, batch):
                    number += 1
                    record = {name: _plain(value) for name, value in row.items() if not _missing(value)}
                    for name in as_json & record.keys():
                        record[name] = msgspec.json.decode(record[name])
                    yield f"row {number}", group(record)
        except (ArrowException, msgspec.DecodeError) as error:
            raise Misconfigured(f"{path}: it cannot be read: {_line(error)}") from None

    return Table(columns, label_column(path, columns, label), read())


def write_parquet(
    out: BinaryIO, columns: Mapping[str, set[type]], rows: Callable[[], Iterable[dict[str, Any]]]
) -> None:
    """Write a table.

    Args:
        out: The file.
        columns: The names of the columns, and the types of the values in each.
        rows: Gives the rows.

    Raises:
        Misconfigured: pyarrow is not installed.
    """
    _require("to write Parquet")
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    types = {bool: pa.bool_(), float: pa.float64(), str: pa.string()}
    alone = {name: next(iter(kinds)) for name, kinds in columns.items() if len(kinds) == 1}
    plain = {name: types[kind] for name, kind in alone.items() if kind in types}
    fields = [
        pa.field(name, plain[name])
        if name in plain
        else pa.field(name, pa.string(), metadata={FORM: AS_JSON})
        for name in columns
    ]
    schema = pa.schema(fields)
    with ParquetWriter(out, schema) as writer:
        waiting = iter(rows())
        while chunk := list(islice(waiting, AT_ONCE)):
            for row in chunk:
                for name in row.keys() - plain.keys():
                    row[name] = msgspec.json.encode(row[name]).decode()
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))


def _require(what: str) -> None:
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - an extra, and slow
    except ImportError:
        raise Misconfigured(f"{what}, run `python -m pip install 'stream_al[parquet]'`") from None


def _rows_of(path: Path, batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch as Python's values.

    Raises:
        Misconfigured: A column holds a time that Python has no value for.
    """
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except (OverflowError, ValueError) as error:
        raise Misconfigured(
            f"{path}: column {_unreadable(batch)!r} cannot be read: {_line(error)}; a time has a year from "
            "1 to 9999: write the column in its right unit, or leave it out of the file"
        ) from None
    return rows


def _unreadable(batch: Any) -> str:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.to_pylist()
        except (OverflowError, ValueError):
            return str(name)
    return ""


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - only NaN differs


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items() if not _missing(member)}
    if isinstance(value, list):
        if value and all(isinstance(pair, tuple) for pair in value):  # a map
            return _plain({str(_plain(key)): member for key, member in value})
        return [None if _missing(member) else _plain(member) for member in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return _text(value) if isinstance(value, bytes) else _number(value)


def _number(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, Decimal) else value


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return b64encode(value).decode()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
