"""The streams: recorded files, the data sets of River's wheel, and River's generators.

Recorded files lie in a directory that the command line or STREAM_AL_DATA names. Every labelled file in it is
a stream. Another seed gives another stream of a generator, and the same stream of a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from river import datasets
from river.datasets import synth

from stream_al.datasets.rows import Wanted, rows
from stream_al.datasets.text import opened
from stream_al.engine.randomness import uniform
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel

__all__ = ["GENERATED", "WARM_START", "Sample", "Stream", "available", "fingerprint", "load"]

WARM_START = 30  # samples at the beginning, labelled for every policy outside the budget
SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
QUERIED, LABELLED = "_t_query_min", "_t_label_min"  # columns with the real times, in minutes
TEXT_COLUMNS = 16  # of the vector, for the hashed words of a text feature
FAR = 10.0  # standard deviations; coordinates of a vector are clipped there


@dataclass(frozen=True, slots=True)
class Sample:
    """One arrival.

    Attributes:
        id: The name of the stream and the position, so that draws on different streams are independent.
        features: What the learner sees.
        label: The truth.
        vector: The features as numbers, for rules that need distances. They are standardised by the mean and
            the deviation of the warm start; texts are hashed words.
        came: When it came, in minutes; its position if the file has no times.
        labelled: When its label would come after a query; `came` if the file has no times.
    """

    id: str
    features: dict[str, Any]
    label: ClassLabel
    vector: npt.NDArray[np.float64]
    came: float
    labelled: float


@dataclass(frozen=True, slots=True)
class Stream:
    """A named sequence of samples.

    Attributes:
        name: Of the file or the generator.
        samples: In the order in which they come.
        classes: The labels, the most frequent first.
        real_delays: Whether the file says when labels came.
        kind: `text`, `mixed` (texts and numbers) or `numbers`.
    """

    name: str
    samples: tuple[Sample, ...]
    classes: tuple[ClassLabel, ...]
    real_delays: bool
    kind: str


Pairs = Iterator[tuple[dict[Any, Any], ClassLabel]]


def _blocks(make: Callable[[int, int], Any], variants: tuple[int, ...]) -> Callable[[int, int], Pairs]:
    """A stream whose concept changes abruptly: blocks of equal length, one for each variant."""

    def draw(seed: int, samples: int) -> Pairs:
        ends = [samples * (k + 1) // len(variants) for k in range(len(variants))]
        begin = 0
        for k, (variant, end) in enumerate(zip(variants, ends, strict=True)):
            yield from islice(make(variant, seed * len(variants) + k), end - begin)
            begin = end

    return draw


def _rare(inner: Callable[[int, int], Pairs], label: ClassLabel, share: float) -> Callable[[int, int], Pairs]:
    """The same stream with fewer samples of one class: each of them is kept with this probability."""

    def draw(seed: int, samples: int) -> Pairs:
        for position, (features, truth) in enumerate(inner(seed, samples * 4)):
            if truth != label or uniform(seed, "rare", str(position)) < share:
                yield features, truth

    return draw


_RBF = {"n_classes": 3, "n_features": 8, "n_centroids": 15, "n_drift_centroids": 15}
_sine = _blocks(lambda v, s: synth.Sine(classification_function=v, seed=s, balance_classes=True), (0, 1, 2))

GENERATED: dict[str, Callable[[int, int], Pairs]] = {
    "sea": _blocks(lambda v, s: synth.SEA(variant=v, noise=0.1, seed=s), (0, 2, 1, 3)),
    "agrawal": _blocks(lambda v, s: synth.Agrawal(classification_function=v, seed=s), (0, 2, 4)),
    "rbf_drift": lambda seed, n: iter(
        synth.RandomRBFDrift(seed_model=seed, seed_sample=seed, change_speed=0.0005, **_RBF)
    ),
    "hyperplane": lambda seed, n: iter(synth.Hyperplane(seed=seed, n_drift_features=5, mag_change=0.001)),
    "led_drift": _blocks(
        lambda v, s: synth.LEDDrift(
            seed=s, noise_percentage=0.1, irrelevant_features=True, n_drift_features=v
        ),
        (0, 4, 7),
    ),
    "stagger": _blocks(lambda v, s: synth.STAGGER(classification_function=v, seed=s), (0, 1, 2)),
    "sine": _sine,
    "waveform": lambda seed, n: iter(synth.Waveform(seed=seed)),
    "sine_rare": _rare(_sine, 1, 0.05),
    "hyperplane_rare": _rare(
        lambda seed, n: iter(synth.Hyperplane(seed=seed, n_drift_features=2, mag_change=0.001)), 1, 0.05
    ),
}
"""River's generators, as functions of a seed and of the number of samples."""

BUNDLED: dict[str, Callable[[], Any]] = {
    "river_phishing": datasets.Phishing,
    "river_bananas": datasets.Bananas,
    "river_segments": datasets.ImageSegments,
    "river_shuttle": datasets.Shuttle,
}
"""The data sets of River's wheel."""


def available(data: Path | None) -> list[str]:
    """The names of all streams, the recorded ones first."""
    return [*sorted(_files(data)), *BUNDLED, *GENERATED]


@cache
def fingerprint(name: str, data: Path | None) -> str:
    """A hash of a recorded file; empty for the other streams."""
    file = _files(data).get(name)
    return "" if file is None else blake2b(file.read_bytes(), digest_size=12).hexdigest()


@lru_cache(maxsize=4)
def load(name: str, data: Path | None, samples: int, seed: int) -> Stream:
    """Read or draw a stream.

    Args:
        name: One of `available`.
        data: Where the recorded files lie.
        samples: How many, at most.
        seed: Draws another stream from a generator.

    Raises:
        Misconfigured: There is no such stream, or it is too short.
    """
    files = _files(data)
    times: list[tuple[float, float]] = []
    pairs: list[tuple[dict[Any, Any], ClassLabel]]
    if name in files:
        timed = _is_timed(files[name])
        wanted = Wanted(time=QUERIED, label_time=LABELLED) if timed else Wanted()
        read = list(islice(rows(files[name], wanted), samples))
        pairs = [(row.features, row.label) for row in read]
        if timed:
            times = [(float(row.time), float(row.label_time)) for row in read]
    elif name in BUNDLED:
        pairs = list(islice(BUNDLED[name](), samples))
    elif name in GENERATED:
        pairs = list(islice(GENERATED[name](seed, samples), samples))
    else:
        raise Misconfigured(f"there is no stream {name!r}; there are {', '.join(available(data))}")
    if len(pairs) <= 2 * WARM_START:
        raise Misconfigured(f"{name} has only {len(pairs)} samples; a comparison needs more than 60")
    return _stream(name, pairs, times)


def _stream(
    name: str, pairs: list[tuple[dict[Any, Any], ClassLabel]], times: list[tuple[float, float]]
) -> Stream:
    named = [({f"x{k}" if isinstance(k, int) else k: v for k, v in x.items()}, y) for x, y in pairs]
    texts = {key for x, _ in named for key, value in x.items() if isinstance(value, str)}
    keys = {key for x, _ in named for key in x}
    kind = "numbers" if not texts else "text" if texts == keys else "mixed"
    vectors = _vectors([x for x, _ in named], sorted(keys - texts), sorted(texts))
    came = times or [(float(k), float(k)) for k in range(len(named))]
    samples = tuple(Sample(f"{name}-{k}", x, y, vectors[k], *came[k]) for k, (x, y) in enumerate(named))
    classes = tuple(label for label, _ in Counter(s.label for s in samples).most_common())
    return Stream(name, samples, classes, bool(times), kind)


def _vectors(features: list[dict[str, Any]], numbers: list[str], texts: list[str]) -> npt.NDArray[np.float64]:
    table = np.zeros((len(features), len(numbers) + TEXT_COLUMNS * len(texts)))
    for row, x in zip(table, features, strict=True):
        row[: len(numbers)] = [float(x.get(key, 0.0)) for key in numbers]
        for position, key in enumerate(texts):
            for word in str(x.get(key, "")).lower().split():
                column = blake2b(word.encode(), digest_size=2).digest()[0] % TEXT_COLUMNS
                row[len(numbers) + position * TEXT_COLUMNS + column] += 1.0
    start = table[:WARM_START]
    deviation = start.std(axis=0)
    deviation[deviation == 0.0] = 1.0
    scaled: npt.NDArray[np.float64] = np.clip((table - start.mean(axis=0)) / deviation, -FAR, FAR)
    return scaled


def _is_timed(file: Path) -> bool:
    """Whether the first line of a file names the columns of the real times."""
    with opened(file) as content:
        first = content.readline().decode()
    return QUERIED in first and LABELLED in first


def _files(data: Path | None) -> dict[str, Path]:
    if data is None:
        return {}
    if not data.is_dir():
        raise Misconfigured(f"{data} is no directory; name the one in which the recorded streams lie")
    return {path.name.split(".")[0]: path for path in data.iterdir() if path.name.endswith(SUFFIXES)}
