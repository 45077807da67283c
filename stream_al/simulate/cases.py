"""Cases: the runs that a comparison consists of, and the result of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from time import perf_counter
from typing import Any

from stream_al.datasets.rows import Row
from stream_al.engine.budgets.caps import Caps
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.limits import DEFAULT_LIMITS, Limits
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import ACCURACY, rule
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import strategy
from stream_al.engine.trust.again import Wanted
from stream_al.messages import ClassLabel
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
from stream_al.simulate.buyers import Buyer, Classifier, FixedBuyer, SelectorBuyer
from stream_al.simulate.class_scores import ClassScore
from stream_al.simulate.delay import Delay, arrivals, later
from stream_al.simulate.measure import Point, curve, worst_window
from stream_al.simulate.people.annotator import SimulatedAnnotator
from stream_al.simulate.people.crew import ANNOTATORS, CrewArrivals, crew, parse_crew
from stream_al.simulate.people.second_labels import Audit, SecondLabels, audit
from stream_al.simulate.run import BATCH, Again, Run, Timing, identity, run, warm_up
from stream_al.simulate.stream import Stream

__all__ = ["NO_MODEL", "ONE_LABEL", "Case", "Grid", "Result", "Terms", "cases", "play", "simulate"]

NO_MODEL = "none"
ONE_LABEL = Wanted()
REMEMBER = 50_000  # labels, as the service does by default
MOST_CLASSES = 50  # of a run, in JSON


@dataclass(frozen=True, slots=True)
class Case:
    """One run to make.

    Attributes:
        strategy: A query strategy, or the name of a baseline.
        manager: A budget manager, or `BASELINE`.
        model: A definition, or `NO_MODEL`.
        budget: The share of the samples whose label may be bought.
        delay: The label delay, as written.
        annotator_error: The probability of a wrong label.
        seed: The seed of every random choice.
        annotators: The crew that gives the labels, as written (`people.crew`); empty for one annotator.
        wanted: How many labels are wanted of a sample.
    """

    strategy: str
    manager: str
    model: str
    budget: float
    delay: str
    annotator_error: float
    seed: int
    annotators: str = ""
    wanted: Wanted = ONE_LABEL

    @property
    def is_baseline(self) -> bool:
        """Whether the run is a baseline."""
        return self.manager == BASELINE


@dataclass(frozen=True, slots=True)
class Grid:
    """The values to compare. Every combination of them is a run; with second labels, also one without."""

    strategies: Sequence[str]
    managers: Sequence[str]
    models: Sequence[str]
    budgets: Sequence[float]
    delays: Sequence[str]
    annotator_error: float
    seeds: Sequence[int]
    annotators: str = ""
    wanted: Wanted = ONE_LABEL


@dataclass(frozen=True, slots=True)
class Terms:
    """What all runs have in common.

    Attributes:
        exploration: The share of the budget that is spent at random.
        most_pending: No label is bought while this many are pending.
        limits: How many classes and features a model may learn.
        objective: What says which label to predict. Baselines without a model predict as they do.
        committee: Definitions of further classifiers, for strategies that compare several predictions.
        target: Class, as text, to the share that the labels should have of it; None for equal shares.
        warm_start: The number of samples at the beginning that are labelled and learned before the run.
            They are neither predicted nor paid for.
        caps: Caps on the number of labels. They do not bind baselines. A cap per hour goes by the stream's
            clock.
    """

    exploration: float
    most_pending: int
    limits: Limits = DEFAULT_LIMITS
    objective: str = ACCURACY
    committee: tuple[str, ...] = ()
    target: Mapping[str, float] | None = None
    warm_start: int = 0
    caps: Caps = field(default_factory=Caps)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run. `simulate.measure` defines its measures.

    Attributes:
        case: The run.
        samples: The number of samples predicted.
        labels: The number of labels bought.
        budget_spent: The share of the samples whose label was bought.
        worst_window: The largest share bought in any window, relative to the budget.
        accuracy: The accuracy of all predictions.
        kappa: Cohen's kappa of all predictions.
        g_mean: The G-mean of all predictions.
        classes: The scores of each class, the rarest first.
        seconds: The time that the run took.
        curve: The measures at evenly spaced samples.
        failed: The number of samples and labels that the model failed on.
        first_failure: What the model said about the first of them.
        audit: What became of wrong labels; None without a crew.
    """

    case: Case
    samples: int
    labels: int
    budget_spent: float
    worst_window: float
    accuracy: float
    kappa: float
    g_mean: float
    classes: tuple[ClassScore, ...]
    seconds: float
    curve: tuple[Point, ...]
    failed: int
    first_failure: str
    audit: Audit | None = None

    @property
    def rarest_recall(self) -> float:
        """The recall of the rarest class."""
        return self.classes[0].recall

    def record(self) -> dict[str, Any]:
        """The run as one JSON object. Of more than `MOST_CLASSES` classes it has the rarest."""
        case = self.case
        return {
            "strategy": case.strategy,
            "manager": case.manager,
            "model": case.model,
            "budget": case.budget,
            "delay": case.delay,
            "annotator_error": case.annotator_error,
            "annotators": case.annotators,
            "seed": case.seed,
            "samples": self.samples,
            "labels": self.labels,
            "budget_spent": self.budget_spent,
            "worst_window": self.worst_window,
            "accuracy": self.accuracy,
            "kappa": self.kappa,
            "g_mean": self.g_mean,
            "seconds": self.seconds,
            "per_query": case.wanted.per_query,
            "second_share": case.wanted.second_share,
            "audit": self.audit and asdict(self.audit),
            "classes": [score.record() for score in self.classes[:MOST_CLASSES]],
        }


def cases(grid: Grid) -> Iterator[Case]:
    """Every combination and every baseline to compare it with, each once."""
    for delay, seed in product(grid.delays, grid.seeds):
        for model in grid.models:
            yield Case(ALL_LABELS, BASELINE, model, 1.0, delay, grid.annotator_error, seed, grid.annotators)
        for budget in grid.budgets:
            for model in grid.models:
                for bought_by, manager, wanted in product(
                    grid.strategies, grid.managers, dict.fromkeys([ONE_LABEL, grid.wanted])
                ):
                    yield Case(
                        bought_by,
                        manager,
                        model,
                        budget,
                        delay,
                        grid.annotator_error,
                        seed,
                        grid.annotators,
                        wanted,
                    )
                for baseline in (RANDOM, PERIODIC):
                    yield Case(
                        baseline, BASELINE, model, budget, delay, grid.annotator_error, seed, grid.annotators
                    )
            for baseline in (LAST_LABEL, MAJORITY):
                yield Case(
                    baseline, BASELINE, NO_MODEL, budget, delay, grid.annotator_error, seed, grid.annotators
                )


def simulate(
    case: Case, stream: Stream, terms: Terms, progress: Callable[[int], None] = lambda done: None
) -> Result:
    """Make one run.

    Args:
        case: The run to make.
        stream: The stream, including the samples of the warm start.
        terms: What all runs have in common.
        progress: Called with the number of samples done.
    """
    began = perf_counter()
    number = len(stream.rows) - terms.warm_start
    rest = stream.after(terms.warm_start)
    done, second = play(case, stream, terms, progress)
    points, confusion = curve([row.label for row in rest.rows], done.predicted, done.bought)
    of_class = Counter(rest.rows[position].label for position in done.bought)
    return Result(
        case=case,
        samples=number,
        labels=len(done.bought),
        budget_spent=len(done.bought) / number,
        worst_window=worst_window(done.bought, number, case.budget),
        accuracy=points[-1].accuracy,
        kappa=points[-1].kappa,
        g_mean=points[-1].g_mean,
        classes=tuple(confusion.classes(of_class)),
        seconds=round(perf_counter() - began, 3),
        curve=tuple(points),
        failed=done.failed,
        first_failure=done.first_failure,
        audit=audit(second, lambda name: rest.rows[int(name) - 1].label) if second is not None else None,
    )


def play(
    case: Case,
    stream: Stream,
    terms: Terms,
    progress: Callable[[int], None] = lambda done: None,
    second_labels: Callable[..., SecondLabels] = SecondLabels,
) -> tuple[Run, SecondLabels | None]:
    """Make one run, and return what happened.

    Args:
        case: The run to make.
        stream: The stream, including the samples of the warm start.
        terms: What all runs have in common.
        progress: Called with the number of samples done.
        second_labels: Makes the log of the labels that a crew gives.
    """
    classes, rest = stream.classes, stream.after(terms.warm_start)
    number = len(rest.rows)
    before = stream.rows[: terms.warm_start]
    classifier, buyer = _baseline(case, terms, number) if case.is_baseline else _selection(case, terms, rest)
    timing, annotate = _annotators(case, rest, classes)
    objective = ACCURACY if case.model == NO_MODEL else terms.objective
    second: SecondLabels | None = None
    again: Again | None = None
    if isinstance(timing, CrewArrivals) and isinstance(buyer, SelectorBuyer):
        second = second_labels(lambda: _learner(case, terms, before), case.wanted, case.seed)
        again = Again(second, timing, buyer)
    else:
        warm_up(before, classifier)
    done = run(
        rest.rows,
        classifier,
        buyer,
        timing,
        rule=rule(objective, terms.limits.classes),
        annotate=annotate,
        again=again,
        most_pending=number if case.is_baseline else terms.most_pending,
        batch=BATCH,
        progress=progress,
    )
    return done, second


def _annotators(
    case: Case, stream: Stream, classes: Sequence[ClassLabel]
) -> tuple[Timing, Callable[[str, ClassLabel], ClassLabel]]:
    """When labels come, and what they are."""
    if not case.annotators:
        annotator = SimulatedAnnotator(classes, case.annotator_error, case.seed)
        return arrivals(Delay.parse(case.delay), stream), annotator.label
    team = crew(parse_crew(case.annotators), classes, case.seed)
    timed = case.delay == ANNOTATORS
    otherwise = later(len(stream.rows), 1) if timed else arrivals(Delay.parse(case.delay), stream)
    found = CrewArrivals(team, stream.clock if timed else None, identity, otherwise)
    return found, found.label


def _learner(case: Case, terms: Terms, before: Sequence[Row]) -> Learner:
    """The learner before the first sample of a run."""
    model = _model(case, terms)
    warm_up(before, model)
    return Learner(model, KnownLabels(REMEMBER), rule=rule(terms.objective, terms.limits.classes))


def _model(case: Case, terms: Terms) -> Model:
    return strategy(case.strategy).model(
        case.model,
        seed=case.seed,
        limits=terms.limits,
        committee=terms.committee,
    )


def _selection(case: Case, terms: Terms, stream: Stream) -> tuple[Classifier, Buyer]:
    selector = Selector(
        case.strategy,
        case.manager,
        share=case.budget,
        exploration=terms.exploration,
        seed=case.seed,
        target=terms.target,
        caps=terms.caps,
        extra=case.wanted.extra,
    )
    return _model(case, terms), SelectorBuyer(selector, stream.clock)


def _baseline(case: Case, terms: Terms, samples: int) -> tuple[Classifier, Buyer]:
    classifier: Classifier
    if case.model == NO_MODEL:
        classifier = LastLabel() if case.strategy == LAST_LABEL else Majority()
    else:
        classifier = Model(case.model, seed=case.seed, limits=terms.limits)
    return classifier, FixedBuyer(positions(case.strategy, case.budget, samples, case.seed))
