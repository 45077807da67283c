"""The laws of filters: what an expression finds, and that nothing that is written does harm."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.explore.filter import MAX_CHARACTERS, parse
from stream_al.errors import BadMessage

law = settings(derandomize=True, deadline=None, max_examples=300)

NAMES = ["amount", "country", "card.age", "@utility", "@state"]
VALUES: list[Any] = [0, 1, -3, 2.5, 100, "NL", "be", "1", "two words", True, False, None, 10**400]
SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

rows = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES))
plain = st.sampled_from([0, 1, -3, 2.5, 100, "NL", "be", "two words"])


class Tree:
    """An expression with what it should find, computed in the plainest way."""

    def __init__(self, text: str, test: Callable[[dict[str, Any]], bool]) -> None:
        self.text, self.test = text, test


def compared(name: str, sign: str, wanted: Any) -> Tree:
    def test(row: dict[str, Any]) -> bool:
        value = row.get(name)
        if value is None:
            return False
        numbers = [one for one in (value, wanted) if not isinstance(one, bool) and _is_number(one)]
        if len(numbers) == 2:
            one, other = (float(each) if isinstance(each, str) else each for each in (value, wanted))
            return bool(SIGNS[sign](one, other))
        texts = [_text(one).casefold() for one in (value, wanted)]
        return bool(SIGNS[sign](*texts))

    return Tree(f'{name} {sign} "{wanted}"', test)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    except OverflowError:
        pass  # a number, though too large for a float
    return True


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


leaves = st.builds(compared, st.sampled_from(NAMES), st.sampled_from(list(SIGNS)), plain) | st.builds(
    lambda name: Tree(f"{name} IS missing", lambda row: row.get(name) is None), st.sampled_from(NAMES)
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.builds(
            lambda one, two: Tree(
                f"({one.text} and {two.text})", lambda row: one.test(row) and two.test(row)
            ),
            inner,
            inner,
        )
        | st.builds(
            lambda one, two: Tree(f"({one.text} OR {two.text})", lambda row: one.test(row) or two.test(row)),
            inner,
            inner,
        )
        | st.builds(lambda one: Tree(f"not {one.text}", lambda row: not one.test(row)), inner)
    ),
    max_leaves=6,
)


@law
@given(trees, rows)
def test_a_filter_finds_what_a_naive_evaluation_finds(tree: Tree, row: dict[str, Any]) -> None:
    assert parse(tree.text)(row) is tree.test(row)


TOKENS = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "missing",
    "(",
    ")",
    ",",
    "=",
    "!=",
    ">",
    '"',
    "'",
    "amount",
    "1",
    "\0",
]


@law
@given(st.text(max_size=60) | st.lists(st.sampled_from(TOKENS), max_size=40).map(" ".join), rows)
def test_any_text_is_a_filter_or_refused_in_a_sentence(text: str, row: dict[str, Any]) -> None:
    assert outcome(text, row) in (True, False, "bad_filter")


def outcome(text: str, row: dict[str, Any]) -> bool | str:
    """What a filter says of a row, or the reason for which it is refused."""
    try:
        return parse(text)(row)
    except BadMessage as error:
        return error.reason if len(str(error)) > 20 else f"too short: {error}"


def test_a_filter_is_limited_in_length_depth_and_number() -> None:
    for text in ("a" * (MAX_CHARACTERS + 1), "(" * 400, "not " * 200 + "a", " or ".join(["a=1"] * 60)):
        with pytest.raises(BadMessage, match="write"):
            parse(text)


@pytest.mark.parametrize(
    "text",
    [
        f"note in ({', '.join('abc')})",
        " or ".join(["note = x"] * 50),
        " or ".join(["note contains x"] * 50),
        " or ".join(["x"] * 50),
        "not x and not y",
    ],
)
def test_a_value_is_brought_into_one_case_once(text: str) -> None:
    """A value may have a million characters, so to do it for each comparison would hold the event loop."""

    class Note(str):
        __slots__ = ()
        folded = 0

        def casefold(self) -> str:
            Note.folded += 1
            return super().casefold()

    parse(text)({"note": Note("what is Looked for"), "@id": "s"})
    assert Note.folded == 1


def test_an_id_of_64_bits_is_found_and_its_neighbour_is_not() -> None:
    """A float cannot hold it, and would be the number beside it."""
    wanted = 2**53 + 1
    for value in (wanted, str(wanted)):
        assert parse(f"customer = {wanted}")({"customer": value})
        assert parse(f"customer in (7, {wanted})")({"customer": value})
        assert not parse(f"customer = {wanted - 1}")({"customer": value})
        assert parse(f"customer > {wanted - 1}")({"customer": value})


def test_and_binds_before_or_and_not_before_both() -> None:
    row = {"a": 1, "b": 2}
    assert parse("a = 1 or a = 9 and b = 9")(row)
    assert not parse("(a = 1 or a = 9) and b = 9")(row)
    assert parse("not a = 9 and b = 2")(row)


def test_a_text_alone_is_searched_for_in_ids_and_features_only() -> None:
    row = {"note": "Refund asked", "amount": 12, "@id": "txn-7", "@state": "pending", "@reason": "below"}
    assert [parse(text)(row) for text in ("refund", "TXN", "12", "'d a'")] == [True] * 4
    assert [parse(text)(row) for text in ("pending", "below", "13")] == [False] * 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("amount >", "write a value after it"),
        ("amount > 1 country", "join comparisons by `and` or `or`"),
        ("(a = 1", "write `)` at its end"),
        ("a in 1", "write values in brackets"),
        ("a in (1, 2", "write `)` at its end"),
        ("a is 1", "write `missing` or `not missing`"),
        ("a = and", "put 'and' in quotes"),
        ("a = $", "in quotes"),
        ('a = "x', "in quotes"),
    ],
)
def test_a_mistake_gets_a_sentence_that_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(BadMessage, match=says.replace("(", r"\(").replace(")", r"\)")):
        parse(text)
