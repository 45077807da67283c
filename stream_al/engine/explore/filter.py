"""Filters: which samples a person searches for, such as `amount > 100 and country = NL`.

    filter      = either { "or" either }
    either      = one { "and" one }
    one         = "not" one | "(" filter ")" | comparison | text
    comparison  = name operator value | name "in" "(" value { "," value } ")" | name "is" ["not"] "missing"
    operator    = "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains"
    name        = a feature, or one of `@id @utility @threshold @reason @class @label @state @age`
    value       = a number, a word, or any text in quotes

A text alone finds the samples in whose id or features it occurs. Words may hold letters, digits and `_ . :
/ # -`; what holds anything else stands in quotes, `"..."` or `'...'`, names too. Case does not matter,
neither in texts nor in the words of the grammar.

*What is compared.* Two numbers are compared as numbers. Anything else is compared as text: `=` and `!=`
with what it reads as (1 and "1" are equal, true reads as `true`), the others in the order of the letters,
in which dates of ISO 8601 stand in the order of time. A sample without the feature satisfies no comparison
with it, not even `!=`; `is missing` finds it.

The text comes from a request. It is parsed and never evaluated as code; its length, its depth and the
number of its comparisons are limited. So is the work for a row: each of its values, which may have a million
characters, is brought into one case once, however many comparisons and listed values look at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any, NoReturn, TypeAlias

from stream_al.errors import BadMessage

__all__ = ["FIELDS", "MAX_CHARACTERS", "Row", "Test", "number_of", "parse", "text_of"]

MAX_CHARACTERS = 1000
MAX_DEPTH = 20
MAX_COMPARISONS = 50
MAX_NUMERAL = 40  # characters of a number that a person writes
FIELDS = ("@id", "@utility", "@threshold", "@reason", "@class", "@label", "@state", "@age")

Row: TypeAlias = Mapping[str, Any]
"""The features of a sample by name, and its `FIELDS`; what it lacks is absent or None."""
Test: TypeAlias = Callable[[Row], bool]
_Part: TypeAlias = Callable[["_Values"], bool]  # of a test

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<sign><=|>=|!=|=|<|>|\(|\)|,)|(?P<word>[\w@.:/#+\-]+)|(?P<other>\S))"""
)
_WORDS = {"and", "or", "not", "in", "is", "contains"}
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: bool(one == other),
    "!=": lambda one, other: bool(one != other),
    "<": lambda one, other: bool(one < other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    ">=": lambda one, other: bool(one >= other),
    "contains": lambda one, other: other in one,
}


def parse(text: str) -> Test:
    """The test that an expression describes. An empty one is satisfied by every sample.

    >>> rows = [{"amount": 150.0, "country": "NL", "@id": "txn-1"}, {"amount": 50, "@id": "txn-2"}]
    >>> def found(text):
    ...     return [row["@id"] for row in rows if parse(text)(row)]
    >>> found("amount > 100 and country = NL"), found("txn-2"), found("country is missing or amount <= 9")
    (['txn-1'], ['txn-2'], ['txn-2'])
    >>> parse("amount >")
    Traceback (most recent call last):
    stream_al.errors.BadMessage: the filter ends after '>': write a value after it, such as `amount > 100`

    Raises:
        BadMessage: `bad_filter`, with a sentence that says what to write instead.
    """
    if len(text) > MAX_CHARACTERS:
        _refuse(f"the filter has {len(text)} characters: write at most {MAX_CHARACTERS}")
    parser = _Parser(text)
    if parser.next is None:
        return lambda row: True
    test = parser.any_of(0)
    if parser.next is not None:
        _refuse(
            f"the filter goes on with {parser.shown} where it could end: join comparisons by `and` or `or`"
        )
    return lambda row: test(_Values(row))


class _Values:
    """The values of a row, and their texts in one case, each made when it is first needed."""

    __slots__ = ("_texts", "row")

    def __init__(self, row: Row) -> None:
        self.row = row
        self._texts: dict[str, str] = {}

    def text(self, name: str) -> str:
        """The text of a value that is there."""
        found = self._texts.get(name)
        if found is None:
            found = self._texts[name] = text_of(self.row[name]).casefold()
        return found


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.comparisons = 0
        self.kind = self.last = ""
        self.next: str | None = None
        self._advance()

    @property
    def shown(self) -> str:
        return repr(self.next)

    @property
    def word(self) -> str:
        """The next token, if it is a word of the grammar or a sign; else empty."""
        token = (self.next or "").lower()
        return token if self.kind == "sign" or (self.kind == "word" and token in _WORDS) else ""

    def _advance(self) -> None:
        self.last = self.next or self.last
        match = _TOKEN.match(self.text, self.place)
        if match is None:
            self.kind, self.next = "", None
            return
        self.place = match.end()
        self.kind = match.lastgroup or ""
        self.next = match.group(self.kind)
        if self.kind == "other":
            _refuse(f'{self.shown} has no meaning here: write texts that hold it in quotes, such as "a b"')

    def any_of(self, depth: int) -> _Part:
        tests = [self.all_of(depth)]
        while self.word == "or":
            self._advance()
            tests.append(self.all_of(depth))
        return tests[0] if len(tests) == 1 else lambda values: any(test(values) for test in tests)

    def all_of(self, depth: int) -> _Part:
        tests = [self.one(depth)]
        while self.word == "and":
            self._advance()
            tests.append(self.one(depth))
        return tests[0] if len(tests) == 1 else lambda values: all(test(values) for test in tests)

    def one(self, depth: int) -> _Part:
        if depth > MAX_DEPTH:
            _refuse(f"the filter is nested deeper than {MAX_DEPTH}: write fewer brackets and `not`")
        if self.word == "not":
            self._advance()
            inner = self.one(depth + 1)
            return lambda values: not inner(values)
        if self.word == "(":
            self._advance()
            inner = self.any_of(depth + 1)
            if self.word != ")":
                _refuse("a bracket is not closed: write `)` at its end")
            self._advance()
            return inner
        return self.comparison()

    def comparison(self) -> _Part:
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            _refuse(f"the filter has more than {MAX_COMPARISONS} comparisons: write fewer")
        name = self._taken("a name or a text")
        sign = self.word
        if sign == "is":
            return self._missing(name)
        if sign == "in":
            return self._among(name)
        if sign not in _SIGNS:
            return _occurs(name)
        self._advance()
        return _compares(name, sign, self._taken("a value"))

    def _missing(self, name: str) -> _Part:
        self._advance()
        negated = self.word == "not"
        if negated:
            self._advance()
        if (self.next or "").lower() != "missing":
            _refuse(f"after `is` write `missing` or `not missing`, as in `{name} is missing`")
        self._advance()
        return lambda values: (values.row.get(name) is None) is not negated

    def _among(self, name: str) -> _Part:
        self._advance()
        if self.word != "(":
            _refuse(f"after `in` write values in brackets, as in `{name} in (1, 2)`")
        tests: list[_Part] = []
        while not tests or self.word == ",":
            self._advance()
            tests.append(_compares(name, "=", self._taken("a value")))
        if self.word != ")":
            _refuse("a list of values is not closed: write `)` at its end")
        self._advance()
        return lambda values: any(test(values) for test in tests)

    def _taken(self, what: str) -> str:
        """The next name or value."""
        if self.next is None:
            example = "such as `amount > 100`"
            _refuse(
                f"the filter ends after {self.last!r}: write {what} after it, {example}"
                if self.last
                else what
            )
        if self.word:
            _refuse(
                f"{self.shown} stands where {what} is expected: write {what}, or put {self.shown} in quotes"
            )
        found = self.next[1:-1] if self.kind == "quoted" else self.next
        self._advance()
        return found


def _compares(name: str, sign: str, wanted: str) -> _Part:
    """Whether a value of a row is as wanted."""
    compare, number, text = _SIGNS[sign], number_of(wanted), wanted.casefold()

    def test(values: _Values) -> bool:
        value = values.row.get(name)
        if value is None:
            return False
        if number is not None and sign != "contains":
            given = number_of(value)
            if given is not None:
                return compare(given, number)
        return compare(values.text(name), text)

    return test


def _occurs(wanted: str) -> _Part:
    """Whether a text occurs in the id or in a feature of a row."""
    text = wanted.casefold()

    def test(values: _Values) -> bool:
        return any(
            text in values.text(name)
            for name, value in values.row.items()
            if value is not None and (name == "@id" or not name.startswith("@"))
        )

    return test


def number_of(value: Any) -> float | int | None:
    """A value, or what was written for one, as a finite number; None if it is none.

    Whole numbers stay whole, since ids have more digits than a float holds.

    >>> number_of("9007199254740993"), number_of(" 1e3"), number_of(True), number_of("red")
    (9007199254740993, 1000.0, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value  # Python compares integers of any size exactly
    if isinstance(value, str):
        if len(value) > MAX_NUMERAL:
            return None
        with suppress(ValueError):
            return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


def text_of(value: Any) -> str:
    """A value as the text that is compared, where it is no number or is compared with none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 1000:
        return hex(value)  # Python refuses to write it in digits
    return value if isinstance(value, str) else str(value)


def _refuse(sentence: str) -> NoReturn:
    raise BadMessage("bad_filter", sentence)
