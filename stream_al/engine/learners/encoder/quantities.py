"""Quantities: numbers as people and programs write them.

    "1,5"  "1.234,50"  "1 234,5"     with a decimal comma
    "1,234.50"  "12'345"             with groups of three digits
    "12 kg"  "45%"  "80 km/h"        with a unit; what the unit says is not read
    "$12.50"  "EUR 7"  "7 €"         with a currency
    "14:30"  "14:30:05"              a time of day or a duration, in seconds

A comma before exactly three digits, as in "1,234", may mean either. It separates thousands, unless the number
begins with "0," or other values of the same feature show that the comma is a decimal one. Then a dot
before three digits separates thousands.
"""

from __future__ import annotations

import re

__all__ = ["LONGEST", "number", "shows_decimal_comma"]

LONGEST = 40  # characters

_CURRENCY = (
    r"[$€£¥₹₽₩₺]|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|SEK|SGD|TRY|USD|ZAR"
)
_UNIT = r"[%‰]|°?[^\W\d_]{1,8}[²³]?(?:/[^\W\d_]{1,4}[²³]?)?|°"
_QUANTITY = re.compile(
    rf"(?P<sign>[-+]?)\s?(?:{_CURRENCY})?\s?(?P<minus>-?)(?P<digits>[0-9.,][0-9.,' \u00a0\u202f]*?)"
    rf"(?P<power>[eE][-+]?[0-9]{{1,3}})?\s?(?:{_CURRENCY}|{_UNIT})?"
)
_CLOCK = re.compile(r"([0-9]{1,3}):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,9})?))?")
_GROUPS = re.compile(r"[0-9]{1,3}(?:(?P<mark>[.,' \u00a0\u202f])[0-9]{3})(?:(?P=mark)[0-9]{3})*")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")


def number(text: str, *, decimal_comma: bool = False) -> float | None:
    """The number that a text writes, if it is a quantity.

    Args:
        text: A text without spaces around it.
        decimal_comma: Whether other values of the feature have decimal commas.

    Examples:
        >>> [number(text) for text in ("1,5", "12 kg", "$1,234.50", "-45%", "14:30", "1,234", "red")]
        [1.5, 12.0, 1234.5, -45.0, 52200.0, 1234.0, None]
        >>> number("1,234", decimal_comma=True), number("1.234", decimal_comma=True)
        (1.234, 1234.0)
    """
    if len(text) > LONGEST:
        return None
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds or 0.0)
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    plain = _without_marks(found["digits"], decimal_comma=decimal_comma)
    if plain is None:
        return None
    size = float(plain + (found["power"] or ""))
    return -size if "-" in (found["sign"], found["minus"]) else size


def shows_decimal_comma(text: str) -> int:
    """What a text shows of its feature: 1 if the comma is a decimal one, -1 if not, 0 if it may be either.

    >>> [shows_decimal_comma(text) for text in ("1,5", "1.234,50", "1,234.50", "1,234", "7")]
    [1, 1, -1, 0, 0]
    """
    if "," not in text or len(text) > LONGEST:
        return 0
    one, other = number(text, decimal_comma=True), number(text)
    if one is None:
        return 0 if other is None else -1
    if one != other:
        return 0
    return -1 if "." in text.partition(",")[2] else 1


def _without_marks(digits: str, *, decimal_comma: bool) -> str | None:
    """The digits as Python writes a number; None if it is no number."""
    comma, dot = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and dot >= 0:  # the last one is the decimal one
        whole, point, rest = digits.rpartition("," if comma > dot else ".")
    elif comma >= 0 and (decimal_comma or not _GROUPS.fullmatch(digits) or digits[0] == "0"):
        whole, point, rest = digits.rpartition(",")
    elif dot >= 0 and not (
        _GROUPS.fullmatch(digits) and (decimal_comma or digits.count(".") > 1) and digits[0] != "0"
    ):
        whole, point, rest = digits.rpartition(".")
    else:
        whole, point, rest = digits, "", ""
    groups = _GROUPS.fullmatch(whole)
    if groups and groups["mark"] != point:
        whole = re.sub("[^0-9]", "", whole)
    plain = whole + ("." + rest if point else "")
    return plain if _PLAIN.fullmatch(plain) else None
