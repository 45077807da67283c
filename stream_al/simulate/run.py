"""One run: the engine over a recorded stream, tested on each sample before learning from it (prequential).

For every sample, in order:

    1. learn the labels that have come by now, in the order in which they came;
    2. predict the sample, by the rule of the objective;
    3. decide whether to buy its label; a bought label comes after its delay.

The service does the same with a broker between the steps. Nothing here reads, writes or waits. Every random
draw is a hash of the seed and the sample's id, so a run gives the same result wherever it is repeated.

*Batches.* The model does not change between two labels, so samples may be predicted and decided at once. A
batch ends where the next label comes. If the batch buys a label that comes before its end, the samples after
that point are decided again later. The result is that of deciding one by one.

*Failures of the model.* A sample that the model cannot predict from is decided about without a prediction, as
in the service, and counts as predicted wrongly. A label that the model refuses to learn is paid for all the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

from stream_al.datasets.rows import Row
from stream_al.engine.budgets import Context
from stream_al.engine.model.objective import Rule
from stream_al.engine.samples.table import sample_of, with_shared_shapes
from stream_al.engine.strategies import ScoredSample
from stream_al.engine.trust.again import Candidate
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, class_names
from stream_al.simulate.buyers import Buyer, Classifier, SelectorBuyer
from stream_al.simulate.people.annotator import truthful
from stream_al.simulate.people.second_labels import SecondLabels

__all__ = ["BATCH", "Again", "Crew", "Run", "Timing", "identity", "run", "warm_up"]

BATCH = 256  # samples; a longer one would save nothing and delay the progress bar
UNLIMITED = 2**31


class Timing(Protocol):
    """When labels that were bought can be learned."""

    def of(self, position: int) -> tuple[int, float]:
        """The first sample whose prediction can know a label, and the label's place among such labels."""


class Crew(Timing, Protocol):
    """Several annotators: also who labels a query."""

    def of_query(
        self, query_id: str, position: int, without: Collection[str | int | float] = ()
    ) -> tuple[int, float] | None:
        """The same of a query that is asked at a position; None if nobody is left to label it."""

    def annotator(self, query_id: str) -> str:
        """Who labels it."""


class Again(NamedTuple):
    """What a run with second labels needs besides.

    Attributes:
        labels: The log of labels, which keeps the model of the run.
        crew: The annotators. They are the timing of the run, too.
        buyer: The buyer of the run.
    """

    labels: SecondLabels
    crew: Crew
    buyer: SelectorBuyer


@dataclass(slots=True)
class Run:
    """What happened in a run.

    Attributes:
        predicted: The prediction for each sample; None is no prediction.
        bought: The positions of the labels bought, in order; that of a second label is where it was asked
            for.
        learned: For each label learned, in order: the sample's position, and the position of the first
            sample whose prediction knew the label.
        failed: The number of samples that the model could not predict from and of labels that it refused.
        first_failure: What the model said about the first of them.
    """

    predicted: list[ClassLabel | None] = field(default_factory=list)
    bought: list[int] = field(default_factory=list)
    learned: list[tuple[int, int]] = field(default_factory=list)
    failed: int = 0
    first_failure: str = ""

    def fail(self, message: str) -> None:
        """Count a failure of the model."""
        self.failed += 1
        self.first_failure = self.first_failure or message


def identity(position: int) -> str:
    """The id of the sample at a position. Ids count from 1."""
    return str(position + 1)


def warm_up(rows: Sequence[Row], classifier: Classifier) -> None:
    """Learn rows that were labelled before the stream began."""
    for row in rows:
        try:
            classifier.learn(row.features, row.label)
        except BadMessage:
            continue  # the service passes over an example that the model refuses, too


def run(  # noqa: C901, PLR0913 - what a run is made of, in order
    rows: Sequence[Row],
    classifier: Classifier,
    buyer: Buyer,
    arrivals: Timing,
    *,
    rule: Rule | None = None,
    annotate: Callable[[str, ClassLabel], ClassLabel] = truthful,
    again: Again | None = None,
    names: Callable[[int], str] = identity,
    most_pending: int = UNLIMITED,
    batch: int = BATCH,
    progress: Callable[[int], None] = lambda done: None,
) -> Run:
    """Go through the stream once.

    Args:
        rows: The stream.
        classifier: The model. It learns in place.
        buyer: Decides which labels to buy. Its state changes in place.
        arrivals: When the labels come. It is asked about labels in the order in which they are bought.
        rule: Says which label to predict; the most probable one if it is not given. It learns in place.
        annotate: Gives the label of a query from its id and the truth. It is called when the label comes.
        again: Where annotators are asked again: their labels, and who they are. Then the model and the rule
            are those of its learner.
        names: The id of the sample at a position.
        most_pending: No label is bought while this many are pending.
        batch: The most samples to decide at once. It does not change the result.
        progress: Called with the number of samples done after each batch.
    """
    done, rule = Run(), rule or Rule()
    queried: dict[int, tuple[ScoredSample, float]] = {}
    samples = with_shared_shapes(
        sample_of(names(position), row.features) for position, row in enumerate(rows)
    )
    waiting: list[Waiting] = []
    position, size = 0, 1
    while position < len(rows):
        while waiting and waiting[0].first <= position:
            came = heappop(waiting)
            label = annotate(came.query_id, rows[came.position].label)
            if came.query_id == samples[came.position].id:
                done.learned.append((came.position, position))
            if again is not None:
                _take(done, again, came.query_id, label)
                continue
            asked, propensity = queried.pop(came.position)
            said = dict(zip(class_names(*asked.probabilities), asked.probabilities.values(), strict=True))
            rule.learn(said, label, propensity=propensity)
            _learn(done, classifier, rows[came.position], label)
        if again is not None:
            again.labels.correct()
            classifier, rule = again.labels.learner.model, again.labels.learner.rule
        free = again.labels.candidates(again.buyer.second_due(1)) if again is not None else []
        if free and again is not None and again.buyer.second_due(0):
            size = 1  # it is bought with the next sample, whatever that one is
        end = min(position + size, len(rows), waiting[0].first if waiting else len(rows))
        scored = buyer.score(classifier, samples[position:end])
        pending = len(waiting)
        context = Context(
            ready=classifier.ready,
            room=most_pending - pending,
            pending=pending,
            known=classifier.examples,
            again=len(free),
        )
        bought, end = _buy(buyer, scored, context, arrivals, range(position, end), one=again is not None)
        for arrival in scored[: end - position]:
            if arrival.failure is not None:
                done.fail(arrival.failure.message)
            done.predicted.append(rule.label(arrival.probabilities))
        queried.update(bought)
        for at in bought:
            heappush(waiting, Waiting(*arrivals.of(at), at, samples[at].id))
        done.bought += list(bought)
        if again is not None:
            for at, (arrival, _) in bought.items():
                again.labels.query(samples[at], arrival, again.buyer.decisions[at - position])
            done.bought += _ask_again(again, free, end - 1, waiting)
        size = min(batch, 2 * (end - position))  # a long batch is wasted where labels come soon
        position = end
        progress(position)
    return done


class Waiting(NamedTuple):
    """A label that will come. They come in this order.

    Attributes:
        first: The first sample to know it.
        order: Its place among equals.
        position: The position of its sample.
        query_id: The id of its query.
    """

    first: int
    order: float
    position: int
    query_id: str


def _take(done: Run, again: Again, query_id: str, label: ClassLabel) -> None:
    refused = again.labels.take(query_id, label, again.crew.annotator(query_id))
    if refused:
        done.fail(refused)


def _ask_again(again: Again, free: Sequence[Candidate], at: int, waiting: list[Waiting]) -> list[int]:
    """Ask about samples again, as many as were bought, as far as there are annotators left.

    Args:
        again: As of `run`.
        free: The samples that can be asked about.
        at: The position at which they are asked about.
        waiting: The labels that will come.

    Returns:
        The position, for each second label bought.
    """
    number = again.buyer.second_bought - len(again.labels.asked)
    for candidate in free[:number]:
        query = again.labels.query_again(candidate)
        comes = again.crew.of_query(query.id, at, query.labelled_by)
        if comes is None:
            again.labels.unlabelled += 1
        else:
            heappush(waiting, Waiting(*comes, int(candidate.item.id) - 1, query.id))
    return [at] * number


def _buy(
    buyer: Buyer,
    scored: Sequence[ScoredSample],
    context: Context,
    arrivals: Timing,
    places: range,
    *,
    one: bool,
) -> tuple[dict[int, tuple[ScoredSample, float]], int]:
    """The positions bought, each with its score and propensity; and up to where the decisions hold.

    A label that is bought here may be known to a later sample of the same batch. From that sample on, all
    has to be scored again. With several annotators (`one`) the batch ends with the first label that is
    bought, since another sample may be the next to be asked about again.
    """
    propensities, after = buyer.decide(scored, context)
    bought: dict[int, tuple[ScoredSample, float]] = {}
    end = places.stop
    for at, arrival, propensity in zip(places, scored, propensities, strict=True):
        if propensity and at < end:
            bought[at] = arrival, propensity
            end = min(end, at + 1 if one else arrivals.of(at)[0])
    if end < places.stop:
        _, after = buyer.decide(scored[: end - places.start], context)
    buyer.keep(after)
    return bought, end


def _learn(done: Run, classifier: Classifier, row: Row, label: ClassLabel) -> None:
    try:
        classifier.learn(row.features, label)
    except BadMessage as error:
        done.fail(str(error))
