"""Numbers that are written with units, currencies, commas or colons are numbers to the model."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from stream_al.engine.learners import Auto
from stream_al.engine.learners.encoder.columns import Columns
from stream_al.engine.learners.encoder.quantities import LONGEST, number
from tests.engine.learners.mixed_streams import records


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,5", 1.5), ("-1,5", -1.5), (",5", 0.5), ("0,125", 0.125), ("1,5e3", 1500.0),
        ("1.234,50", 1234.5), ("1,234.50", 1234.5), ("1 234,5", 1234.5), ("12'345", 12345.0),
        ("1,234", 1234.0), ("1,234,567", 1234567.0), ("1.234.567", 1234567.0),
        ("12 kg", 12.0), ("12kg", 12.0), ("45%", 45.0), ("80 km/h", 80.0), ("12 m²", 12.0), ("-3 °C", -3.0),
        ("$12.50", 12.5), ("-$5", -5.0), ("$-5", -5.0), ("EUR 7", 7.0), ("7 €", 7.0), ("1,5 EUR", 1.5),
        ("14:30", 52200.0), ("00:00:05.5", 5.5),
    ],
)  # fmt: skip
def test_a_quantity_is_read_as_its_number(text: str, expected: float) -> None:
    assert number(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", ".", ",", "red", "1.2.3", "10.0.0.1", "1,2,3", "12 Main Street", "A12", "INV000123", "14:75",
     "2026-01-02", "12 kg 5", "1e5e5", "٣", "0x10", "1" * (LONGEST + 1)],
)  # fmt: skip
def test_what_is_no_quantity_has_no_number(text: str) -> None:
    assert number(text) is None
    assert number(text, decimal_comma=True) is None


@pytest.mark.timeout(60)  # a pattern that goes back at each place of a text would take years
def test_no_text_makes_the_patterns_go_back_without_end() -> None:
    for mark in "., '-$k:e":
        for text in ((f"1{mark}" * LONGEST)[:LONGEST], "1" * (LONGEST - 1) + mark, mark * LONGEST):
            number(text, decimal_comma=True)


def amounts(write: Callable[[float], str], seed: int = 1) -> list[tuple[dict[str, object], str]]:
    draw = random.Random(seed)  # noqa: S311 -- a fixed stream
    values = [draw.uniform(0.5, 40.0) for _ in range(200)]
    return [({"amount": write(value)}, "low" if value < 15.0 else "high") for value in values]


@pytest.mark.parametrize(
    "write",
    [
        lambda v: f"{v:.2f}".replace(".", ","),
        lambda v: f"{v:.3f}".replace(".", ","),
        lambda v: f"{v:.1f} kg",
        lambda v: f"${1000 * v:,.2f}",
        lambda v: f"{int(v):02}:{int(v % 1 * 60):02}",
    ],
    ids=["comma", "three decimals", "unit", "currency", "clock"],
)
def test_what_is_new_every_time_is_learned_as_a_number(write: Callable[[float], str]) -> None:
    stream = amounts(write)
    model = Auto()
    for features, label in stream[:120]:
        model.learn_one(features, label)
    told = model.predict_proba_table(records(stream[120:])).argmax(axis=1)
    right = [list(model.classes)[at] == label for at, (_, label) in zip(told, stream[120:], strict=True)]
    assert sum(right) > 0.9 * len(right)
    assert model.columns.left_out() == {}


def test_a_comma_before_three_digits_is_read_as_the_other_values_of_the_feature_are() -> None:
    european, american = Columns(), Columns()
    for _ in range(3):
        european.learn({"x": "7,5", "y": "2.000,5"})
        american.learn({"x": "1,007.5", "y": "2,000.5"})
    sample = [(("x", "y"), ("1,234", "1.234"))]
    assert european.encode(sample).numbers[0, :2].tolist() == [1.234, 1234.0]
    assert american.encode(sample).numbers[0, :2].tolist() == [1234.0, 1.234]
    for columns in (european, american):
        row: dict[str, object] = {"x": "1,234", "y": "1.234"}
        learned, _ = columns.learn(row)
        again = columns.encode([(tuple(row), tuple(row.values()))])
        assert (learned.numbers == again.numbers).all()


def test_sentences_are_not_taken_for_quantities() -> None:
    columns = Columns()
    for place in range(30):
        columns.learn({"body": f"please call me at number {place % 7} before noon"})
    columns.learn({"body": "5 pm"})
    assert columns.kinds() == {"body": "text"}
    assert columns.width == 0 or not columns.encode([(("body",), ("6 pm",))]).scale.is_number.any()


def test_ids_of_which_a_few_look_like_numbers_are_left_out_and_said_to_be() -> None:
    draw = random.Random(1)  # noqa: S311 -- a fixed stream
    columns = Columns()
    for place in range(100):
        text = "1234e5" if place == 5 else f"{draw.getrandbits(64):016x}g{place}"
        columns.learn({"reference": text, "x": draw.random()})
    assert columns.kinds()["reference"] == "id"
    assert columns.left_out() == {"reference": "an id, new every time"}
