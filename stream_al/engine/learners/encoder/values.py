"""Values: what one value of a feature means, whatever its type.

Streams bring numbers as numbers and as text, truth values, categories, dates, sentences, and nothing. A value
is read here by itself, without knowing its column:

    3.5, True, numpy's numbers     a number
    "3.5", "1,5", "12 kg", "$7"    a number (`quantities`), and a text too, as a postal code is
    "2026-01-02T03:04:05Z"         a date: seconds since 1970, second of the day, day of the week
    "red", "free entry to win"     a text
    None, NaN, "", "nan", "-nan"   nothing

Numbers are brought into a range in which squares and sums of them stay finite: up to 2**53 they are taken as
they are, beyond it by their order of magnitude, so 1.8e308 is large and not infinite.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from numbers import Real
from typing import Any, NamedTuple

from stream_al.engine.learners.encoder.quantities import LONGEST, number

__all__ = ["DATE_PARTS", "LINEAR", "MAX_TEXT", "MAX_WORDS", "NOTHING", "Value", "read", "words"]

MAX_TEXT = 10_000  # characters of a text that are read
MAX_WORDS = 200  # different words of a text that are read
LONGEST_WORD = 32  # characters of a word
LINEAR = 2.0**53  # up to here a number is taken as it is
DATE_PARTS = ("", " second of day", " weekday")  # what is appended to the name of a column of dates

_WORD = re.compile(r"\w+")
_STARTS_NUMBER = frozenset("+-.0123456789")


class Value(NamedTuple):
    """What a value means.

    Attributes:
        number: As a number, if it is one.
        text: As a text, if it is one.
        date: The three numbers of a date (`DATE_PARTS`), if it is one.
    """

    number: float | None = None
    text: str | None = None
    date: tuple[float, float, float] | None = None


NOTHING = Value()


def read(value: object, *, decimal_comma: bool = False, quantities: bool = True) -> Value:
    """Read one value.

    Args:
        value: Of any type.
        decimal_comma: Whether other values of the feature have decimal commas.
        quantities: Whether a text may be a number with a unit or the like.

    Examples:
        >>> read(True), read("2.5").number, read("red").text, read(float("nan"))
        (Value(number=1.0, text=None, date=None), 2.5, 'red', Value(number=None, text=None, date=None))
        >>> read("1970-01-02").date
        (86400.0, 0.0, 4.0)
        >>> read(10**400).number < 1e20
        True
    """
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return _read_text(value, decimal_comma=decimal_comma, quantities=quantities)
    if isinstance(value, datetime | date):
        return Value(date=_parts(value))
    if isinstance(value, Real) or hasattr(value, "dtype"):  # numpy's truth values are no Real
        return _number(value)
    return _read_text(str(value))


def words(text: str) -> list[str]:
    """The different words of a text, in lower case, in order of appearance.

    Examples:
        >>> words("Free entry! FREE.")
        ['free', 'entry']
    """
    found = (word[:LONGEST_WORD].lower() for word in _WORD.findall(text[:MAX_TEXT]))
    return list(dict.fromkeys(found))[:MAX_WORDS]


def _number(value: Any) -> Value:
    try:
        number = float(value)
    except OverflowError:  # an integer too large for a float
        number = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):  # an array of several numbers
        return _read_text(str(value))
    return NOTHING if math.isnan(number) else Value(_squeezed(number))


def _squeezed(number: float) -> float:
    if -LINEAR <= number <= LINEAR:
        return number
    size = 1024.0 if math.isinf(number) else math.log2(abs(number))
    return math.copysign(LINEAR * (size - 52.0), number)


def _read_text(text: str, *, decimal_comma: bool = False, quantities: bool = True) -> Value:
    text = text[:MAX_TEXT].strip()
    if not text or text in {"nan", "NaN"}:
        return NOTHING
    if len(text) > LONGEST:
        return Value(text=text)
    if text[0] in _STARTS_NUMBER:
        if len(text) >= 10 and text[4] == "-" and text[:4].isdigit():
            try:
                return Value(date=_parts(datetime.fromisoformat(text)))
            except ValueError:
                return Value(text=text)
        if not decimal_comma:  # it would make 1234 of "1.234"
            try:
                plain = float(text)
            except ValueError:
                pass
            else:
                return NOTHING if math.isnan(plain) else Value(_squeezed(plain), text)
    found = number(text, decimal_comma=decimal_comma) if quantities else None
    return Value(text=text) if found is None else Value(_squeezed(found), text)


def _parts(moment: date) -> tuple[float, float, float]:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    clock = moment.hour * 3600.0 + moment.minute * 60.0 + moment.second
    return since, clock, float(moment.weekday())
