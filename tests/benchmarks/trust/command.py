"""The command: it plays every arm with every model and seed, and prints a table of the means."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.console import Console
from rich.progress import Progress

from stream_al.datasets.rows import Row
from stream_al.simulate.stream import Stream
from stream_al.simulate.workers import interruptible, workers
from tests.benchmarks.efficiency import streams
from tests.benchmarks.text_table import TextTable
from tests.benchmarks.trust.arms import ARMS, NONE, measured

__all__ = ["main", "table"]

MODELS = ("auto", "StandardScaler() | LogisticRegression()")
QUICK = {"stream": "sea", "samples": 3000, "seeds": 1, "models": [MODELS[1]]}
FINDINGS = (
    *("first", "second", "unlabelled", "wrong", "contradicted", "found"),
    *("cleanlab_as_many", "cleanlab_as_dear", "corrected_right", "corrected_wrong", "wrong_left"),
)
HEADER = (
    *("labels", "accuracy", "points", "first", "second", "in vain", "wrong", "contradicted", "wrong found"),
    *("Cleanlab, as many", "Cleanlab, as dear", "corrected to right", "to wrong", "wrong left"),
)

Run = dict[str, Any]


def main(about: str | None) -> int:
    """Play the arms and print the tables, or one JSON object a run."""
    options = _options(about)
    arms = [place for place, arm in enumerate(ARMS) if not options.arms or arm.name in options.arms]
    kinds = product(range(options.seeds), options.models, arms)
    todo = [(arm, model, seed) for seed, model, arm in kinds]
    aside, found = Console(stderr=True), []
    with (
        interruptible(),
        Progress(console=aside, disable=not aside.is_terminal) as shown,
        workers(options.jobs) as submit,
    ):
        task = shown.add_task("runs", total=len(todo))
        waiting = [
            submit(
                _play, *job, options.stream, options.data, options.samples, options.annotators, options.error
            )
            for job in todo
        ]
        for future in waiting:
            found.append(future.result())
            shown.advance(task)
            if options.json:
                print(json.dumps(found[-1]), flush=True)  # noqa: T201 - the result of the command
    if not options.json:
        for model in options.models:
            own = [one for one in found if one["model"] == model]
            print(f"{model}\n\n{table(own, model).markdown()}\n\n{_scores(own)}\n")  # noqa: T201 - likewise
    return 0


def table(runs: Sequence[Run], title: str) -> TextTable:
    """The means of all seeds, a row for each arm."""
    before = {one["seed"]: one["accuracy"] for one in runs if one["arm"] == NONE}
    rows = []
    for arm in dict.fromkeys(one["arm"] for one in runs):
        own = [one for one in runs if one["arm"] == arm]
        gains = [100 * (one["accuracy"] - before[one["seed"]]) for one in own]
        error = f" ± {stdev(gains) / sqrt(len(gains)):.2f}" if len(gains) > 1 and arm != NONE else ""
        means = [f"{fmean(one[name] for one in own):,.0f}" for name in FINDINGS]
        accuracy = f"{100 * fmean(one['accuracy'] for one in own):.1f}%"
        rows.append([arm, accuracy, f"{fmean(gains):+.2f}{error}", *means])
    return TextTable(title, HEADER, rows)


def _scores(runs: Sequence[Run]) -> str:
    """What the model's scores tell about labels, of the runs without second labels."""
    own = [one for one in runs if one["arm"] == NONE]
    parts = []
    for kind in ("explored", "doubted"):
        listed = sum(one[f"listed_{kind}"] for one in own)
        wrong = sum(one[f"listed_{kind}_wrong"] for one in own)
        area = fmean(one[f"area_{kind}"] for one in own)
        parts.append(f"{kind}: {listed} suspicious, {wrong} of them wrong, area under the curve {area:.2f}")
    return "; ".join(parts)


def _play(
    arm: int,
    model: str,
    seed: int,
    stream: str,
    data: Path | None,
    samples: int,
    annotators: int,
    error: float,
) -> Run:
    loaded = streams.load(stream, data, samples, seed)
    made = Stream(stream, [Row(one.features, one.label) for one in loaded.samples])
    figures = measured(ARMS[arm], made, model, seed, annotators, error)
    return {"arm": ARMS[arm].name, "model": model, "seed": seed, **figures}


def _options(about: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="directory with recorded streams")
    parser.add_argument("--stream", default="electricity", help="the name of a stream")
    parser.add_argument("--samples", type=int, default=20_000, help="samples at most")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each kind")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="definitions of models")
    names = [arm.name for arm in ARMS]
    parser.add_argument("--arms", nargs="+", choices=names, help="only these ways to buy labels")
    parser.add_argument("--annotators", type=int, default=2, help="how many there are")
    parser.add_argument("--error", type=float, default=0.1, help="share of their labels that is wrong")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time")
    parser.add_argument("--quick", action="store_true", help="3,000 generated samples, one seed, one model")
    parser.add_argument("--json", action="store_true", help="one JSON object a run")
    options = parser.parse_args()
    if options.quick:
        for name, value in QUICK.items():
            setattr(options, name, value)
    return options
