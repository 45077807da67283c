"""What features are taken for, and that their number and size are bounded."""

from __future__ import annotations

import pickle
import random
import uuid

import numpy as np
import pytest

from stream_al.engine.learners.encoder.columns import MAX_FEATURES, MAX_NUMBERS, Columns
from stream_al.engine.learners.encoder.scales import Scales
from stream_al.engine.learners.encoder.values import read
from stream_al.engine.learners.encoder.vocabulary import MAX_INDICATORS, MAX_TOKENS
from tests.engine.learners.mixed_streams import payments


def learned(rows: list[dict[str, object]]) -> Columns:
    columns = Columns()
    for row in rows:
        columns.learn(row)
    return columns


def test_it_tells_numbers_categories_texts_dates_and_ids() -> None:
    columns = learned([features for features, _ in payments(100)])
    kinds = columns.kinds()
    assert {name: kinds[name] for name in ("amount", "new", "age", "country", "note", "at")} == {
        "amount": "number",
        "new": "number",
        "age": "number",
        "country": "category",
        "note": "text",
        "at": "date",
    }
    assert {kinds["payment_id"], kinds["sequence"]} == {"id"}


@pytest.mark.parametrize("name", ["user_id", "orderId", "uuid", "account number"])
@pytest.mark.parametrize("kind", [int, str])
def test_integers_that_never_come_again_are_ids_by_their_name(name: str, kind: type) -> None:
    draw = random.Random(1)  # noqa: S311 -- a fixed stream
    columns = learned(
        [{name: kind(draw.randrange(10**9)), "size": kind(draw.randrange(10**9))} for _ in range(60)]
    )
    assert set(columns.left_out()) == {name}


def test_an_id_is_not_used() -> None:
    draw = random.Random(1)  # noqa: S311 -- a fixed stream
    rows: list[dict[str, object]] = [{"key": n, "x": draw.random()} for n in range(60)]
    columns = learned(rows)
    one, other = columns.encode([(("key", "x"), (5, 0.5)), (("key", "x"), (5000, 0.5))]).z
    assert (one == other).all()


def test_dates_of_which_some_are_in_a_form_that_is_not_read_are_used_and_no_ids() -> None:
    draw = random.Random(1)  # noqa: S311 -- a fixed stream
    hours = [draw.randrange(10, 24) for _ in range(90)]
    columns = learned(
        [
            {
                "at": f"{n % 28 + 1}.11.2026 {hour}:{n % 60}:01"
                if n % 3
                else f"2026-11-{n % 28 + 1:02}T{hour}:00:00Z"
            }
            for n, hour in enumerate(hours)
        ]
    )
    assert columns.left_out() == {}
    assert columns.kinds() == {"at": "date"}


def test_what_repeats_is_no_id() -> None:
    draw = random.Random(1)  # noqa: S311 -- a fixed stream
    columns = learned(
        [{"customer_id": f"c{draw.randrange(20)}", "level": draw.randrange(5)} for _ in range(90)]
    )
    assert columns.left_out() == {}


def test_the_order_of_features_means_nothing() -> None:
    stream = [features for features, _ in payments(60)]
    columns, turned = learned(stream), learned([dict(reversed(features.items())) for features in stream])
    assert pickle.dumps(columns) == pickle.dumps(turned)
    for features in stream:
        one = columns.encode([(tuple(features), tuple(features.values()))])
        other = columns.encode([(tuple(features)[::-1], tuple(features.values())[::-1])])
        assert (one.z == other.z).all()
        assert one.tokens.tolist() == other.tokens.tolist()


def test_an_example_is_encoded_as_it_was_learned() -> None:
    columns = Columns()
    for features, _ in payments(80):
        row, _ = columns.learn(features)
        again = columns.encode([(tuple(features), tuple(features.values()))])
        assert (row.numbers == again.numbers).all()
        # A feature that this example gave away as an id gives no token any more.
        assert set(again.tokens.tolist()) <= set(row.tokens.tolist())


def test_what_most_examples_lack_is_zero_and_what_most_have_is_its_mean() -> None:
    rows: list[dict[str, object]] = [{"x": float(n % 3)} for n in range(60)]
    for row in rows[::5]:
        row["rare"] = 5.0
    numbers = learned(rows).encode([((), ())]).numbers[0]
    assert sorted(numbers[:2].tolist()) == pytest.approx([0.0, 1.0], abs=0.05)


def test_one_absurd_value_does_not_decide_the_scale() -> None:
    for absurd_at in (0, 3, 25):
        scales = Scales()
        scales.widen(1)
        for place in range(200):
            value = 1.8e19 if place == absurd_at else float(place % 10)
            scales.learn(np.array([value]))
        assert 0.0 < scales.mean[0] < 20.0
        assert scales.deviation()[0] < 30.0


def test_a_scale_follows_a_stream_that_grows_for_good() -> None:
    scales = Scales()
    scales.widen(1)
    for place in range(4000):
        scales.learn(np.array([float(place % 10) * (1.0 if place < 1000 else 1000.0)]))
    assert scales.mean[0] > 2000.0


def test_every_number_of_an_embedding_has_a_column_of_its_own() -> None:
    """Embeddings of 1,536 numbers are usual; a number without a column tells its order of magnitude alone."""
    draw = random.Random(1)  # noqa: S311 -- a fixed stream
    columns = learned([{f"vector.{place}": draw.gauss(0.0, 1.0) for place in range(1536)} for _ in range(3)])
    assert columns.width == 1536
    assert len(columns.vocabulary.numbers) == 0


def test_nothing_grows_without_bound() -> None:
    draw = random.Random(1)  # noqa: S311 -- a fixed stream
    columns = Columns()
    for place in range(2200):
        columns.learn(
            {
                f"n{place}": draw.random(),
                f"t{place}": f"word{place} and {uuid.UUID(int=draw.getrandbits(128))}",
                "text": " ".join(f"w{draw.randrange(10**6)}" for _ in range(20)),
            }
        )
    assert columns.width <= MAX_NUMBERS + MAX_INDICATORS
    assert len(columns.vocabulary.numbers) <= MAX_TOKENS
    assert len(columns.kinds()) <= MAX_FEATURES
    assert len(pickle.dumps(columns)) < 10_000_000


def test_long_texts_take_no_more_bytes_than_short_ones() -> None:
    """What is kept of a text shows whether it comes again; the text itself may have a million characters."""
    rows: list[dict[str, object]] = [{"a": f"{n}" * 5000, "b": f"{n % 5}" * 5000} for n in range(100)]
    columns = learned(rows)
    assert columns.kinds() == {"a": "id", "b": "category"}
    assert len(pickle.dumps(columns)) < 20_000


def test_words_that_come_again_are_known_though_others_were_given_up() -> None:
    draw = random.Random(1)  # noqa: S311 -- a fixed stream
    columns = Columns()
    for _ in range(1200):
        columns.learn({"text": "always here " + " ".join(f"w{draw.randrange(10**7)}" for _ in range(15))})
    rows = columns.encode([(("text",), ("here is always something",))])
    assert len(rows.tokens) >= 2


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (True, 1.0),
        ("3.5", 3.5),
        (np.float32(2.0), 2.0),
        (np.bool_(True), 1.0),
        ("1e3", 1000.0),
        (10**400, None),
    ],
)
def test_numbers_are_read_however_they_are_written(value: object, number: float | None) -> None:
    read_number = read(value).number
    assert read_number is not None
    assert read_number == number or (number is None and 2.0**53 < read_number < 1e20)


@pytest.mark.parametrize("value", [None, "", "  ", float("nan"), "NaN", "-nan", "+nan"])
def test_nothing_is_read_as_nothing(value: object) -> None:
    assert read(value) == (None, None, None)
