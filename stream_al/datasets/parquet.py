"""Rows of a Parquet file, read with pyarrow, which the extra `parquet` installs.

Types that the other formats lack are converted, so that the same rows in another format are the same stream:
a date or a time becomes ISO 8601 text, and a decimal becomes a number. NaN, which data frames write for a
missing cell, counts as missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from stream_al.errors import Misconfigured

__all__ = ["records"]

AT_ONCE = 4096


def records(path: Path, file: BinaryIO) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """The names of the columns, and every row without its missing cells.

    Raises:
        Misconfigured: The file is no Parquet file, or pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 - an extra, and slow
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError:
        raise Misconfigured(
            f"{path}: to read Parquet, run `python -m pip install 'stream_al[parquet]'`"
        ) from None
    try:
        table = ParquetFile(file)
    except ArrowException as error:
        raise Misconfigured(f"{path}: it is no Parquet file: {_line(error)}") from None

    def read() -> Iterator[dict[str, Any]]:
        try:
            for batch in table.iter_batches(batch_size=AT_ONCE):
                for row in batch.to_pylist():
                    yield {name: _plain(value) for name, value in row.items() if not _missing(value)}
        except ArrowException as error:
            raise Misconfigured(f"{path}: it cannot be read: {_line(error)}") from None

    return list(table.schema_arrow.names), read()


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - only NaN differs


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
