"""The laws of a run."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.datasets.rows import Row
from stream_al.engine.budgets import MANAGERS, Context
from stream_al.engine.labels.judge import KnownLabels, same_label
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import rule
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.samples.table import sample_of
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example, Prediction
from stream_al.simulate.buyers import FixedBuyer, SelectorBuyer
from stream_al.simulate.delay import Arrivals, Delay, arrivals, later
from stream_al.simulate.measure import Confusion
from stream_al.simulate.people.annotator import SimulatedAnnotator
from stream_al.simulate.run import Run, identity, run, warm_up
from stream_al.simulate.stream import Stream

MODELS = ["GaussianNB()", "HoeffdingTreeClassifier(grace_period=20)", "MultinomialNB()"]


def drifting(number: int, classes: int = 3) -> list[Row]:
    """Samples whose class is an interval of x that moves."""
    return [
        Row({"x": (k * 37 + k // 50 * 11) % 101, "y": k * 61 % 89}, (k * 37 % 101) * classes // 101)
        for k in range(number)
    ]


ROWS = drifting(300)


def selection(
    manager: str = "stratified", share: float = 0.1, strategy: str = "margin"
) -> tuple[Model, SelectorBuyer]:
    """A model, and the engine's selector that uses it."""
    selector = Selector(strategy, manager, share=share, exploration=0.2, seed=3)
    return selector.strategy.model("GaussianNB()", seed=0), SelectorBuyer(selector)


delays = st.lists(st.integers(1, 60), min_size=len(ROWS), max_size=len(ROWS))


def as_arrivals(late: Sequence[int]) -> Arrivals:
    return Arrivals([p + d for p, d in enumerate(late)], [-p for p in range(len(late))])


# --- batches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize(
    ("strategy", "objective"),
    [
        *(("margin", "accuracy"), ("random", "recall of 0 at precision 0.5"), ("class_balance", "balanced")),
        ("margin * diversity", "accuracy"),
    ],
)
@given(late=delays, batch=st.integers(2, 100), most_pending=st.sampled_from([2, 5, 1000]))
@settings(derandomize=True, deadline=None, max_examples=5)
def test_batches_give_what_one_by_one_gives(
    strategy: str, objective: str, manager: str, late: list[int], batch: int, most_pending: int
) -> None:
    """This holds for any delays, even if each label has its own, and for any cap."""
    rows = ROWS[:150]

    def in_batches(size: int) -> Run:
        chosen, come = selection(manager, 0.3, strategy), as_arrivals(late)
        return run(rows, *chosen, come, rule=rule(objective), most_pending=most_pending, batch=size)

    assert in_batches(batch) == in_batches(1)


def test_batches_of_several_samples_are_used() -> None:
    """Otherwise the law above would prove nothing."""
    sizes: list[int] = []

    class Counting(FixedBuyer):
        def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[Sequence[float], Any]:
            sizes.append(len(arrivals))
            return super().decide(arrivals, context)

    run(ROWS, Model("GaussianNB()", seed=0), Counting({150}), later(300, 40), batch=100)
    assert max(sizes) == 100
    assert sum(sizes) < 2 * len(ROWS)  # little is taken back


# --- when labels come ------------------------------------------------------------------------------------


class Watching:
    """Remembers how many labels were learned before each prediction."""

    def __init__(self) -> None:
        self.ready = True
        self.learned: list[ClassLabel] = []
        self.before: dict[Any, list[ClassLabel]] = {}

    @property
    def examples(self) -> int:
        return len(self.learned)

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        self.before[features["x"]] = list(self.learned)  # the last look is the one that stands
        return {}

    def learn(self, features: object, label: ClassLabel) -> None:
        self.learned.append(label)


@given(late=delays, bought=st.sets(st.integers(0, len(ROWS) - 1)), batch=st.integers(1, 80))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_a_prediction_knows_the_labels_that_have_come_and_no_other(
    late: list[int], bought: set[int], batch: int
) -> None:
    rows = [Row({"x": number}, number) for number in range(len(ROWS))]  # each tells its position
    watching, come = Watching(), as_arrivals(late)
    played = run(rows, watching, FixedBuyer(bought), come, batch=batch)
    for position in range(len(rows)):
        known = watching.before[position]
        assert set(known) == {p for p in bought if come.first[p] <= position}
    assert [position for position, _ in played.learned] == sorted(
        (p for p in bought if come.first[p] < len(rows)), key=lambda p: (come.first[p], come.order[p])
    )
    assert all(first >= come.first[position] for position, first in played.learned)


@pytest.mark.parametrize("text", ["0", "1", "7", "500"])
def test_a_delay_in_samples_is_the_number_of_samples_between(text: str) -> None:
    late = arrivals(Delay.parse(text), Stream("s", ROWS))
    assert [first - position - 1 for position, first in enumerate(late.first)] == [int(text)] * len(ROWS)


clocks = st.lists(st.integers(0, 500), min_size=1, max_size=60).map(sorted)


@given(clock=clocks, seconds=st.integers(0, 300))
@settings(derandomize=True, deadline=None)
def test_a_delay_in_time_is_over_when_the_clock_says_so(clock: list[int], seconds: int) -> None:
    """The first sample to know a label is the first one that came at least so much later."""
    stream = Stream("s", [Row({"x": 1}, 0)] * len(clock), clock=clock)
    for position, first in enumerate(arrivals(Delay.parse(f"{seconds}s"), stream).first):
        assert position < first <= len(clock)
        assert all(clock[k] < clock[position] + seconds for k in range(position + 1, first))
        assert first == len(clock) or clock[first] >= clock[position] + seconds


@given(clock=clocks, data=st.data())
@settings(derandomize=True, deadline=None)
def test_recorded_labels_come_when_they_came_but_never_before_their_sample(
    clock: list[int], data: st.DataObject
) -> None:
    number = len(clock)
    times = st.one_of(st.integers(-100, 700), st.just(inf))
    labelled = data.draw(st.lists(times, min_size=number, max_size=number))
    stream = Stream("s", [Row({"x": 1}, 0)] * number, clock=clock, labelled=labelled)
    first = arrivals(Delay.parse("column"), stream).first
    assert list(first) == [max(p + 1, bisect_left(clock, at)) for p, at in enumerate(labelled)]


def test_labels_that_come_between_two_samples_are_learned_in_the_order_in_which_they_came() -> None:
    rows = [Row({"x": 1}, number) for number in range(5)]
    stream = Stream("s", rows, clock=[0, 1, 2, 3, 100], labelled=[50, 40, 30, inf, 0])
    played = run(rows, Watching(), FixedBuyer({0, 1, 2, 3}), arrivals(Delay.parse("column"), stream))
    assert played.learned == [(2, 4), (1, 4), (0, 4)]  # the fourth never comes


# --- what is learned -------------------------------------------------------------------------------------


@pytest.mark.parametrize("definition", MODELS)
def test_all_labels_without_delay_give_plain_prequential_testing(definition: str) -> None:
    """The result is that of a plain loop that tests and then trains."""
    model, right = Model(definition, seed=0), 0
    for row in ROWS:
        said = likeliest_label(model.probabilities(row.features))
        right += said is not None and same_label(said, row.label)
        model.learn(row.features, row.label)
    simulated = Model(definition, seed=0)
    played = run(ROWS, simulated, FixedBuyer(range(300)), later(300, 1))
    confusion = Confusion()
    for row, said in zip(ROWS, played.predicted, strict=True):
        confusion.add(row.label, said)
    assert confusion.correct == right > 100
    simulated.learn(ROWS[-1].features, ROWS[-1].label)  # which came after the last prediction
    assert simulated.digest() == model.digest()


@pytest.mark.parametrize("objective", ["balanced", "recall of rare at precision 0.4"])
def test_the_predictions_are_those_of_a_learner_with_the_same_objective(objective: str) -> None:
    """The learner that a service would have, given the queries that the run has made."""
    rows = [
        Row(row.features, "rare" if k % 3 and row.features["x"] > 80 else "usual")
        for k, row in enumerate(ROWS)
    ]
    model, buyer = selection(share=0.5)
    played = run(rows, model, buyer, later(300, 1), rule=rule(objective))
    shadow, choice = selection(share=0.5)
    learner, state = Learner(shadow, KnownLabels(1000), rule=rule(objective)), choice.selector.start()
    served: list[ClassLabel | None] = []
    for k, row in enumerate(rows):
        scored = choice.selector.score(shadow, identity(k), row.features)
        served.append(learner.rule.label(scored.probabilities))
        context = Context(ready=shadow.ready, room=1000, pending=0, known=shadow.examples)
        (decision,), state = choice.selector.decide(state, [scored], context)
        if decision.selected:
            told = Prediction(served[-1], {str(label): p for label, p in scored.probabilities.items()})
            example = Example(scored.id, row.label, row.features, None, decision.propensity, None, told)
            learner.fold(example, learner.offset)
    assert played.predicted == served
    assert served != run(rows, *selection(share=0.5), later(300, 1)).predicted


def test_a_run_can_be_repeated() -> None:
    runs = [run(ROWS, *selection(), later(300, 20)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].bought


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.5, 1.0])
def test_the_budget_that_is_spent_is_the_one_that_was_asked(share: float) -> None:
    """The manager claims the budget law, and labels are late."""
    rows = drifting(1000)
    played = run(rows, *selection(share=share), later(1000, 30))
    assert abs(len(played.bought) - share * 1000) <= 1


def test_a_cap_on_pending_labels_is_never_exceeded() -> None:
    played = run(ROWS, *selection(share=0.5), later(300, 50), most_pending=4)
    for position in range(300):
        assert sum(position - 50 < bought <= position for bought in played.bought) <= 4
    assert len(played.bought) > 4


def test_a_warm_start_is_learned_in_order() -> None:
    one, other = Model("GaussianNB()", seed=0), Model("GaussianNB()", seed=0)
    warm_up(ROWS[:40], one)
    run(ROWS[:41], other, FixedBuyer(range(40)), later(41, 1))
    assert one.digest() == other.digest()


# --- what goes wrong -------------------------------------------------------------------------------------


def test_an_annotator_errs_with_its_probability_and_uniformly() -> None:
    """A chi-square bound is used that one seed in a thousand would miss."""
    annotator = SimulatedAnnotator(["a", "b", "c", "d"], error=0.3, seed=5)
    labels = Counter(annotator.label(str(k), "b") for k in range(10_000))
    expected = {"a": 1000, "b": 7000, "c": 1000, "d": 1000}
    assert sum((labels[k] - n) ** 2 / n for k, n in expected.items()) < 16.3
    assert {annotator.label("17", "b") for _ in range(3)} == {annotator.label("17", "b")}


@pytest.mark.parametrize(("error", "given_"), [(0.0, {"b"}), (1.0, {"a", "c"})])
def test_an_annotator_that_is_always_right_or_always_wrong(error: float, given_: set[str]) -> None:
    annotator = SimulatedAnnotator(["a", "b", "c"], error, seed=0)
    assert {annotator.label(str(k), "b") for k in range(50)} == given_


def test_an_annotator_that_knows_one_class_cannot_err() -> None:
    assert SimulatedAnnotator(["a"], 1.0, seed=0).label("1", "a") == "a"


def test_wrong_labels_are_learned_as_they_are() -> None:
    """Predictions are still compared with the truth."""
    rows = [Row({"x": 1}, k % 2) for k in range(100)]
    watching = Watching()
    run(
        rows,
        watching,
        FixedBuyer(range(100)),
        later(100, 1),
        annotate=SimulatedAnnotator([0, 1], 1.0, seed=0).label,
    )
    assert watching.learned == [1 - k % 2 for k in range(99)]


def test_a_sample_that_the_model_fails_on_counts_as_wrong_and_the_run_continues() -> None:
    """It is decided about, as in the service. A refused label is paid for all the same."""

    class Failing(Watching):
        def probabilities(self, features: object) -> dict[ClassLabel, float]:
            if features == {"x": 2}:
                raise BadMessage("model_error", "two is too much")
            return {"up": 1.0}

        def learn(self, features: object, label: ClassLabel) -> None:
            raise BadMessage("model_error", "later")

    rows = [Row({"x": k % 3}, "up") for k in range(9)]
    played = run(rows, Failing(), FixedBuyer(range(9)), later(9, 1))
    assert played.predicted == ["up", "up", None] * 3
    assert played.bought == list(range(9))
    assert (played.failed, played.first_failure) == (3 + 8, "later")


@pytest.mark.parametrize("definition", ["auto", "GaussianNB()", "SelectType(str) | GaussianNB()"])
def test_predictions_of_a_fixed_buyer_are_those_of_one_sample_after_the_other(definition: str) -> None:
    model = Model(definition, seed=0)
    for row in ROWS[:60]:
        model.learn(row.features, row.label)
    samples = [sample_of(str(place), row.features) for place, row in enumerate(ROWS[60:100])]
    scored = FixedBuyer(()).score(model, samples)
    for sample, found in zip(samples, scored, strict=True):
        assert isinstance(found, ScoredSample)
        assert found.probabilities == pytest.approx(model.probabilities(sample.features), abs=1e-11)
