"""Streams of every kind: their samples, the models for each, and what they reach."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
from rich.console import Console

from stream_al.datasets.rows import Row
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import Rule
from stream_al.engine.samples.sample import flat_features
from stream_al.engine.selector import Selector
from stream_al.service.engine_settings import input_rules
from stream_al.settings import Settings
from stream_al.simulate.baselines import random_positions
from stream_al.simulate.buyers import FixedBuyer, SelectorBuyer
from stream_al.simulate.delay import later
from stream_al.simulate.measure import Confusion
from stream_al.simulate.run import run
from tests.benchmarks.efficiency.streams import load
from tests.benchmarks.text_table import TextTable

RARE = ("payments", "night", "sine_rare", "ozone", "sms_spam")
FOUND = 20
SINGLE = {
    "bayes": "NaiveBayes()",
    "linear": "Softmax()",
    "fourier": "FourierSoftmax()",
    "neighbours": "NearestNeighbours()",
    "trees": "ExtraTrees()",
    "forest": "ExtraTrees(window=1500, every=64, breadth=4.0, cuts=8)",
}
_LINEAR = {True: "LogisticRegression()", False: "SoftmaxRegression()"}
_MIXED = (
    "Discard('transaction.id', 'transaction.number', 'transaction.at', 'customer.id') | "
    "((SelectType(int, float) | StandardScaler()) + (SelectType(str) | OneHotEncoder())) | "
)
RIVER = {
    "text": (
        "BagOfWords(on='body') | MultinomialNB()",
        "BagOfWords(on='body') | ComplementNB()",
        "BagOfWords(on='body') | LogisticRegression()",
        "TFIDF(on='body') | LogisticRegression()",
    ),
    "mixed": (
        _MIXED + "LogisticRegression()",
        _MIXED + "ARFClassifier(n_models=10)",
        _MIXED + "KNNClassifier(n_neighbors=5)",
        "HoeffdingTreeClassifier(grace_period=50)",
    ),
    "numbers": (
        "StandardScaler() | {linear}",
        "GaussianNB()",
        "StandardScaler() | KNNClassifier(n_neighbors=5)",
        "ARFClassifier(n_models=10)",
        "HoeffdingTreeClassifier(grace_period=50)",
    ),
}


def payments(seed: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """Nested records with ids, dates and missing members; pairs of columns tell the 3% that are fraud."""
    random = Random(seed)  # noqa: S311 - a stream to measure with
    number = 0
    while True:
        number += 1
        country, shop = (
            random.choice(["DE", "FR", "NL", "PL", "ES"]),
            random.choice(["DE", "FR", "NL", "PL", "ES", "US"]),
        )
        category = random.choice(["food", "travel", "gifts", "electronics", "books"])
        amount, hour, days = random.lognormvariate(3.3, 1.0), random.randrange(24), random.randrange(2000)
        odds = 0.002
        if shop not in (country, "US") and category in ("gifts", "electronics") and amount > 60:
            odds = 0.45
        if days < 100 and hour < 6:
            odds = 0.4
        record: dict[str, Any] = {
            "transaction": {
                "id": f"{random.getrandbits(64):016x}",
                "number": 100_000 + number,
                "at": f"2026-03-{1 + number % 28:02}T{hour:02}:{random.randrange(60):02}:00Z",
                "amount": round(amount, 2),
                "hour": hour,
                "currency": "PLN" if country == "PL" else "EUR",
            },
            "merchant": {"category": category, "country": shop},
            "customer": {"id": f"c{random.randrange(100_000)}", "country": country},
        }
        if random.random() < 0.85:
            record["customer"]["days"] = days
        yield record, "fraud" if random.random() < odds else "ok"


def night(seed: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """Payments with ids, texts and gaps. Three columns together tell most of the 3% that are fraud."""
    random = Random(seed)  # noqa: S311 - a stream to measure with
    while True:
        amount, country, hour = (
            random.lognormvariate(3.3, 1.0),
            random.choice("ABCDEFGH"),
            random.randrange(24),
        )
        record: dict[str, Any] = {
            "id": f"{random.getrandbits(64):016x}",
            "amount": round(amount, 2),
            "country": country,
            "hour": hour,
            "channel": random.choice(["web", "app", "shop"]),
            "note": random.choice(["monthly order", "gift for a friend", "please call before", "no remarks"]),
            "velocity": random.gauss(0.0, 1.0),
        }
        if random.random() < 0.7:
            record["score"] = random.betavariate(2.0, 5.0)
        odds = 0.9 if amount > 45.0 and country in "ABC" and hour < 8 else 0.002
        yield record, "fraud" if random.random() < odds else "ok"


def vectors(seed: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """Arrays of 256 numbers around the centres of four classes, as an embedding brings them."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(4, 256)) * 0.25
    while True:
        label = int(random.integers(4))
        yield {"vector": (centres[label] + random.normal(size=256)).round(4).tolist()}, label


def rows(stream: str, data: Path | None, samples: int, seed: int) -> list[Row]:
    """The samples, flat, as the service reads them."""
    own = {"payments": payments, "night": night, "vectors": vectors}.get(stream)
    if own is None:
        return [Row(s.features, s.label) for s in load(stream, data, samples, seed).samples]
    rules = input_rules(Settings())
    return [Row(flat_features(record, rules), label) for record, label in islice(own(seed), samples)]


class Ranked:
    """A buyer that notes the probability of one class for each sample."""

    def __init__(self, buyer: Any, label: Any) -> None:
        self.buyer, self.label = buyer, label
        self.scores: dict[str, float] = {}
        self.decide, self.keep = buyer.decide, buyer.keep

    def score(self, classifier: Any, samples: Sequence[Any]) -> Any:
        found = self.buyer.score(classifier, samples)
        for sample, scored in zip(samples, found, strict=True):
            self.scores[sample.id] = scored.probabilities.get(self.label, 0.0)
        return found


def measure(stream: list[Row], definition: str, how: str, share: float, seed: int) -> list[float]:
    """Accuracy, G-mean, average precision, recall at precision .5, and labels to the 20th rare example."""
    rare = Counter(row.label for row in stream).most_common()[-1][0]
    rule = Rule("balanced") if how == "balanced" else Rule()
    if how == "random":
        model = Model(definition, seed=seed)
        buyer: Any = FixedBuyer(random_positions(int(share * len(stream)), len(stream), seed))
    else:
        strategy = "class_balance" if how == "balanced" else "margin"
        selector = Selector(strategy, "stratified", share=share, exploration=0.05, seed=seed)
        model, buyer = selector.strategy.model(definition, seed=seed), SelectorBuyer(selector)
    ranked = Ranked(buyer, rare)
    played = run(stream, model, ranked, later(len(stream), 1), rule=rule)
    confusion = Confusion()
    for row, predicted in zip(stream, played.predicted, strict=True):
        confusion.add(row.label, predicted)
    positions = [n for n, at in enumerate(played.bought, 1) if stream[at].label == rare]
    truth = np.array([row.label == rare for row in stream])
    scores = np.array([ranked.scores[str(n + 1)] for n in range(len(stream))])
    hits = np.cumsum(truth[np.argsort(-scores, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    gained = np.diff(hits, prepend=0)
    half = np.flatnonzero(precision >= 0.5)
    return [
        confusion.accuracy,
        confusion.g_mean,
        float((precision * gained).sum() / max(1, truth.sum())),
        float(hits[half[-1]] / truth.sum()) if len(half) else 0.0,
        positions[FOUND - 1] if len(positions) >= FOUND else float("inf"),
    ]


def table(stream: str, given: argparse.Namespace) -> TextTable:
    """What each model makes of a stream."""
    recorded = [rows(stream, given.data, given.samples, seed) for seed in range(given.seeds)]
    first = recorded[0][0].features
    texts = [name for name, value in first.items() if isinstance(value, str)]
    kind = "text" if len(texts) == len(first) else "mixed" if texts else "numbers"
    two = len({row.label for row in recorded[0]}) == 2
    rare = stream in RARE
    runs = [("auto", "auto", "random")]
    if rare:
        runs += [("auto, ours", "auto", "ours"), ("auto, ours, balanced", "auto", "balanced")]
        runs += [(name, definition, "random") for name, definition in SINGLE.items()]
    runs += [(p.format(linear=_LINEAR[two]), p.format(linear=_LINEAR[two]), "random") for p in RIVER[kind]]
    lines = []
    for name, definition, how in runs:
        found = [
            measure(each, definition, how, 0.1 if rare else 0.05, seed) for seed, each in enumerate(recorded)
        ]
        *shares, labels = (fmean(column) for column in zip(*found, strict=True))
        lines.append(
            [
                name.replace(_MIXED, "chosen columns | "),
                *(f"{value:.3f}" for value in shares),
                f"{labels:.0f}",
            ]
        )
    title = f"{stream}: {len(recorded[0])} samples, {'10' if rare else '5'}% of the labels"
    return TextTable(title, ("model", "accuracy", "G-mean", "AP", "at .5", "20th"), lines)


def main(description: str | None) -> int:
    """Print a table for each stream."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--streams", default="payments,night,sine_rare,ozone,sms_spam,vectors,river_segments,river_bananas"
    )
    given = parser.parse_args()
    for stream in given.streams.split(","):
        if given.data or stream not in ("ozone", "sms_spam"):
            Console(width=130).print(table(stream, given).rich())
    return 0
