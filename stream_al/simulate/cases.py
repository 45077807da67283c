"""Cases: which runs a comparison consists of, and what each of them gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from time import perf_counter
from typing import Any

from stream_al.engine.budgets.caps import Caps
from stream_al.engine.model.model import Model
from stream_al.engine.selector import Selector
from stream_al.simulate.baselines import (
    ALL_LABELS,
    BASELINE,
    LAST_LABEL,
    MAJORITY,
    PERIODIC,
    RANDOM,
    LastLabel,
    Majority,
    positions,
)
from stream_al.simulate.delay import Delay, arrivals
from stream_al.simulate.measure import Point, curve, worst_window
from stream_al.simulate.run import Annotator, Buyer, Chosen, Learner, Selective, play, warm_up
from stream_al.simulate.stream import Stream

__all__ = ["NO_MODEL", "Case", "Grid", "Result", "Terms", "cases", "simulate"]

NO_MODEL = "none"


@dataclass(frozen=True, slots=True)
class Case:
    """One run to be made.

    Attributes:
        strategy: A query strategy, or a baseline.
        manager: A budget manager, or `BASELINE`.
        model: A definition, or `NO_MODEL`.
        budget: The share of the samples whose label may be bought.
        delay: The label delay, as written.
        annotator_error: How often the annotator is wrong.
        seed: Of every random choice.
    """

    strategy: str
    manager: str
    model: str
    budget: float
    delay: str
    annotator_error: float
    seed: int

    @property
    def is_baseline(self) -> bool:
        """Whether it is there to be compared with."""
        return self.manager == BASELINE


@dataclass(frozen=True, slots=True)
class Grid:
    """What to compare: every combination of these."""

    strategies: Sequence[str]
    managers: Sequence[str]
    models: Sequence[str]
    budgets: Sequence[float]
    delays: Sequence[str]
    annotator_error: float
    seeds: Sequence[int]


@dataclass(frozen=True, slots=True)
class Terms:
    """What all runs have in common.

    Attributes:
        exploration: The share of the budget drawn at random.
        most_pending: Labels on their way above which none is bought.
        max_classes: The most classes that a model learns.
        committee: Definitions of further classifiers, for strategies that ask for several opinions.
        target: Class, as text, to the share that the labels should have of it; None for equal shares.
        warm_start: Samples at the beginning that are labelled and learned before the run; they are neither
            predicted nor paid.
        caps: On the number of labels, for what is no baseline; one on an hour goes by the stream's clock.
    """

    exploration: float
    most_pending: int
    max_classes: int
    committee: tuple[str, ...] = ()
    target: Mapping[str, float] | None = None
    warm_start: int = 0
    caps: Caps = field(default_factory=Caps)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave.

    Attributes:
        case: Which run.
        samples: Samples predicted.
        labels: Labels bought.
        budget_spent: The share of the samples whose label was bought.
        worst_window: See `simulate.measure`, as are the next three.
        accuracy: Of all predictions.
        kappa: Of all predictions.
        g_mean: Of all predictions.
        seconds: That the run took.
        curve: How things stood on the way.
        failed: Samples and labels that the model failed on.
        complaint: What it said of the first of them.
    """

    case: Case
    samples: int
    labels: int
    budget_spent: float
    worst_window: float
    accuracy: float
    kappa: float
    g_mean: float
    seconds: float
    curve: tuple[Point, ...]
    failed: int
    complaint: str

    def record(self) -> dict[str, Any]:
        """The run as one JSON object."""
        case = self.case
        return {
            "strategy": case.strategy,
            "manager": case.manager,
            "model": case.model,
            "budget": case.budget,
            "delay": case.delay,
            "annotator_error": case.annotator_error,
            "seed": case.seed,
            "samples": self.samples,
            "labels": self.labels,
            "budget_spent": self.budget_spent,
            "worst_window": self.worst_window,
            "accuracy": self.accuracy,
            "kappa": self.kappa,
            "g_mean": self.g_mean,
            "seconds": self.seconds,
        }


def cases(grid: Grid) -> Iterator[Case]:
    """Every combination, and the baselines that it is to be held against, each of them once."""
    error = grid.annotator_error
    for delay, seed in product(grid.delays, grid.seeds):
        for model in grid.models:
            yield Case(ALL_LABELS, BASELINE, model, 1.0, delay, error, seed)
        for budget in grid.budgets:
            for model in grid.models:
                for strategy, manager in product(grid.strategies, grid.managers):
                    yield Case(strategy, manager, model, budget, delay, error, seed)
                for baseline in (RANDOM, PERIODIC):
                    yield Case(baseline, BASELINE, model, budget, delay, error, seed)
            for baseline in (LAST_LABEL, MAJORITY):
                yield Case(baseline, BASELINE, NO_MODEL, budget, delay, error, seed)


def simulate(
    case: Case, stream: Stream, terms: Terms, progress: Callable[[int], None] = lambda done: None
) -> Result:
    """Make one run.

    Args:
        case: Which.
        stream: The stream, with the samples for a warm start.
        terms: What all runs have in common.
        progress: Called with the samples done.
    """
    began = perf_counter()
    classes = stream.classes
    number = len(stream.rows) - terms.warm_start
    rest = stream.after(terms.warm_start)
    learner, buyer = _baseline(case, terms, number) if case.is_baseline else _selection(case, terms, rest)
    warm_up(stream.rows[: terms.warm_start], learner)
    stream = rest
    played = play(
        stream.rows,
        learner,
        buyer,
        arrivals(Delay.parse(case.delay), stream),
        answer=Annotator(classes, case.annotator_error, case.seed).answer,
        most_pending=number if case.is_baseline else terms.most_pending,
        progress=progress,
    )
    points = curve([row.label for row in stream.rows], played.predicted, played.bought)
    return Result(
        case=case,
        samples=number,
        labels=len(played.bought),
        budget_spent=len(played.bought) / number,
        worst_window=worst_window(played.bought, number, case.budget),
        accuracy=points[-1].accuracy,
        kappa=points[-1].kappa,
        g_mean=points[-1].g_mean,
        seconds=round(perf_counter() - began, 3),
        curve=tuple(points),
        failed=played.failed,
        complaint=played.complaint,
    )


def _selection(case: Case, terms: Terms, stream: Stream) -> tuple[Learner, Buyer]:
    selector = Selector(
        case.strategy,
        case.manager,
        share=case.budget,
        exploration=terms.exploration,
        seed=case.seed,
        target=terms.target,
        caps=terms.caps,
    )
    model = selector.strategy.model(
        case.model, seed=case.seed, max_classes=terms.max_classes, committee=terms.committee
    )
    return model, Selective(selector, stream.clock)


def _baseline(case: Case, terms: Terms, samples: int) -> tuple[Learner, Buyer]:
    learner: Learner
    if case.model == NO_MODEL:
        learner = LastLabel() if case.strategy == LAST_LABEL else Majority()
    else:
        learner = Model(case.model, seed=case.seed, max_classes=terms.max_classes)
    return learner, Chosen(positions(case.strategy, case.budget, samples, case.seed))
