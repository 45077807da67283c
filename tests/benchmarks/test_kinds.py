"""The comparisons of kinds of streams and of recoveries measure what they say."""

from __future__ import annotations

from itertools import islice

import pytest

from stream_al.datasets.rows import Row
from tests.benchmarks.efficiency import recovery
from tests.benchmarks.efficiency.kinds import measure, payments, rows


def test_some_three_percent_of_the_payments_are_fraud() -> None:
    share = sum(label == "fraud" for _, label in islice(payments(0), 20_000)) / 20_000
    assert 0.02 < share < 0.04


def test_nested_records_and_arrays_become_features() -> None:
    assert "transaction.amount" in rows("payments", None, 1, 0)[0].features
    assert len(rows("vectors", None, 1, 0)[0].features) == 256


@pytest.mark.parametrize("how", ["random", "ours", "balanced"])
def test_a_class_that_a_column_tells_is_ranked_first(how: str) -> None:
    stream = [
        Row({"x": float(n % 10), "noise": n * 7 % 11}, "rare" if n % 10 == 0 else "often") for n in range(500)
    ]
    accuracy, g_mean, precision, recall, labels = measure(stream, "NaiveBayes()", how, 0.5, 0)
    assert min(accuracy, g_mean, precision, recall) > 0.7
    assert 20 <= labels <= 250


def test_a_model_recovers_from_a_reversal_and_one_that_cannot_never_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recovery, "AFTER", 300)
    before, after, labels = recovery.recovered("Softmax()", recovery.STREAMS["sine"], 0)
    assert before > 0.9
    assert after < 0.1
    assert labels is not None
    assert recovery.recovered("NaiveBayes()", recovery.STREAMS["sine"], 0)[2] is None
