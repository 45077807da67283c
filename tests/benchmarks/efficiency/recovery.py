"""Recovery: what the models learn and forget when a concept changes at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import fmean, median
from typing import Any

from rich.console import Console
from river.datasets import synth

from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import sample_of, with_shared_shapes
from tests.benchmarks.text_table import TextTable

BEFORE, AFTER, EVERY, TESTED, NEAR = 500, 1000, 20, 300, 0.02
Pairs = Iterator[tuple[dict[Any, Any], Any]]
STREAMS: dict[str, Callable[[int, int], Any]] = {
    "sine": lambda concept, seed: synth.Sine(
        classification_function=concept, seed=seed, balance_classes=True
    ),
    "led": lambda concept, seed: synth.LEDDrift(
        seed=seed, noise_percentage=0.1, irrelevant_features=True, n_drift_features=7 * concept
    ),
    "agrawal": lambda concept, seed: synth.Agrawal(classification_function=2 * concept, seed=seed),
}
MODELS = {
    "auto": "auto",
    "bayes": "NaiveBayes()",
    "linear": "Softmax()",
    "fourier": "FourierSoftmax()",
    "neighbours": "NearestNeighbours()",
    "trees": "ExtraTrees()",
    "forest": "ExtraTrees(window=1500, every=64, breadth=4.0, cuts=8)",
    "arf": "ARFClassifier(n_models=10)",
    "tree": "HoeffdingTreeClassifier(grace_period=50)",
    "adaptive_tree": "HoeffdingAdaptiveTreeClassifier(grace_period=50)",
}


def recovered(definition: str, make: Callable[[int, int], Any], seed: int) -> tuple[float, float, int | None]:
    """The accuracy before and just after the change, and the labels until it is back; None for not at all."""
    model = Model(definition, seed=seed)
    concepts = [_pairs(make(concept, seed)) for concept in (0, 1)]
    tests = [list(islice(concept, TESTED)) for concept in concepts]
    before: list[float] = []
    for number, (features, label) in enumerate(islice(concepts[0], BEFORE), 1):
        model.learn(features, label)
        if number % EVERY == 0 and number > BEFORE - 5 * EVERY:
            before.append(_accuracy(model, tests[0]))
    aim, after = fmean(before) - NEAR, [_accuracy(model, tests[1])]
    for number, (features, label) in enumerate(islice(concepts[1], AFTER), 1):
        model.learn(features, label)
        if number % EVERY == 0:
            after.append(_accuracy(model, tests[1]))
            if len(after) > 3 and fmean(after[-3:]) >= aim:
                return fmean(before), after[0], number - EVERY
    return fmean(before), after[0], None


def _pairs(source: Any) -> Pairs:
    for features, label in source:
        yield {f"x{name}": value for name, value in features.items()}, label


def _accuracy(model: Model, pairs: list[tuple[dict[Any, Any], Any]]) -> float:
    samples = with_shared_shapes(sample_of(str(n), features) for n, (features, _) in enumerate(pairs))
    rows = model.predict_proba_many(samples).rows()
    hits = [
        bool(row) and max(row, key=row.__getitem__) == label
        for row, (_, label) in zip(rows, pairs, strict=True)
    ]
    return fmean(hits)


def main(description: str | None) -> int:
    """Print a table for each stream."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", default=",".join(MODELS))
    given = parser.parse_args()
    console = Console(width=100)
    for stream, make in STREAMS.items():
        rows = []
        for name in given.models.split(","):
            runs = [recovered(MODELS[name], make, seed) for seed in range(given.seeds)]
            labels = [AFTER if run[2] is None else run[2] for run in runs]
            found = "never" if median(labels) == AFTER else f"{median(labels):.0f}"
            each = ", ".join("never" if run[2] is None else str(run[2]) for run in runs)
            rows.append(
                [name, f"{fmean(r[0] for r in runs):.3f}", f"{fmean(r[1] for r in runs):.3f}", found, each]
            )
        console.print(
            TextTable(stream, ("model", "before", "just after", "labels, median", "each"), rows).rich()
        )
    return 0
