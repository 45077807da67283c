"""How long a comparison will take, from the first samples of the stream.

Runs differ in cost by orders of magnitude: by the model, the strategy, and whether every label is learned. So
each kind of run is made once on the first `SAMPLES` samples. Its time on them, over all samples, times its
number of runs, is the estimate. A model becomes slower while it learns, so the estimate is rather too low.

Nothing is measured where the whole comparison is short. The measuring ends after `MOST_SECONDS`, and the
kinds that are not measured are taken to cost the mean of those that are.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_al.simulate.cases import Case, Terms, simulate
from stream_al.simulate.stream import Stream

__all__ = ["LONG_SECONDS", "costs", "fewer"]

SAMPLES = 200
FEW = 20  # times as many samples in all runs are no work that needs an estimate
MOST_SECONDS = 10.0
LONG_SECONDS = 180.0
SHORT_SECONDS = 60.0  # what the smaller comparison should take
FEWEST = 500  # samples; fewer say too little


def costs(todo: Sequence[Case], stream: Stream, terms: Terms) -> list[float] | None:
    """The seconds that each run will take; None if that is not worth measuring, or a run fails.

    Args:
        todo: The runs.
        stream: The stream.
        terms: What all runs have in common.
    """
    samples = len(stream.rows) - terms.warm_start
    if samples * len(todo) <= FEW * SAMPLES or samples <= 2 * SAMPLES:
        return None
    first: dict[tuple[str, str, str], Case] = {}
    for case in todo:
        first.setdefault(_kind(case), case)
    head = stream.first(terms.warm_start + SAMPLES)
    measured: dict[tuple[str, str, str], float] = {}
    for kind, case in first.items():
        if sum(measured.values()) >= MOST_SECONDS:
            break
        try:
            measured[kind] = simulate(case, head, terms).seconds
        except Exception:  # noqa: BLE001 - the run itself will say what is wrong
            return None
    mean = sum(measured.values()) / len(measured)
    return [measured.get(_kind(case), mean) * samples / SAMPLES for case in todo]


def _kind(case: Case) -> tuple[str, str, str]:
    return case.strategy, case.manager, case.model


def fewer(samples: int, seconds: float) -> int:
    """The number of samples with which the same comparison takes about a minute, a round number.

    >>> fewer(400_000, 3600.0), fewer(2_000, 3600.0)
    (6600, 500)
    """
    number = int(samples * SHORT_SECONDS / seconds)
    unit = int(10 ** max(0, len(str(number)) - 2))
    return min(samples, max(FEWEST, number // unit * unit))
