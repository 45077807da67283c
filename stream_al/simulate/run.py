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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from stream_al.datasets.rows import Row
from stream_al.engine.budgets import Context
from stream_al.engine.model.objective import Rule
from stream_al.engine.samples.table import sample_of, with_shared_shapes
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, class_names
from stream_al.simulate.annotator import truthful
from stream_al.simulate.buyers import Buyer, Classifier

__all__ = ["Run", "Timing", "identity", "run", "warm_up"]

BATCH = 256  # samples; a longer one would save nothing and delay the progress bar
UNLIMITED = 2**31


class Timing(Protocol):
    """When labels that were bought can be learned."""

    def of(self, position: int) -> tuple[int, float]:
        """The first sample whose prediction can know a label, and the label's place among such labels."""


@dataclass(slots=True)
class Run:
    """What happened in a run.

    Attributes:
        predicted: The prediction for each sample; None is no prediction.
        bought: The positions of the labels bought, in order.
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


def run(  # noqa: PLR0913 - what a run is made of
    rows: Sequence[Row],
    classifier: Classifier,
    buyer: Buyer,
    arrivals: Timing,
    *,
    rule: Rule | None = None,
    annotate: Callable[[str, ClassLabel], ClassLabel] = truthful,
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
        annotate: Gives the label of a sample from its id and the truth. It is called when the label comes.
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
    waiting: list[tuple[int, float, int]] = []  # first sample to know it, order among equals, position
    position, size = 0, 1
    while position < len(rows):
        while waiting and waiting[0][0] <= position:
            _, _, labelled = heappop(waiting)
            row, (asked, propensity) = rows[labelled], queried.pop(labelled)
            label = annotate(samples[labelled].id, row.label)
            said = dict(zip(class_names(*asked.probabilities), asked.probabilities.values(), strict=True))
            rule.learn(said, label, propensity=propensity)
            _learn(done, classifier, row, label)
            done.learned.append((labelled, position))
        end = min(position + size, len(rows), waiting[0][0] if waiting else len(rows))
        scored = buyer.score(classifier, samples[position:end])
        pending = len(waiting)
        context = Context(
            ready=classifier.ready, room=most_pending - pending, pending=pending, known=classifier.examples
        )
        bought, end = _buy(buyer, scored, context, arrivals, range(position, end))
        for arrival in scored[: end - position]:
            if arrival.failure is not None:
                done.fail(arrival.failure.message)
            done.predicted.append(rule.label(arrival.probabilities))
        queried.update(bought)
        for at in bought:
            heappush(waiting, (*arrivals.of(at), at))
        done.bought += list(bought)
        size = min(batch, 2 * (end - position))  # a long batch is wasted where labels come soon
        position = end
        progress(position)
    return done


def _buy(
    buyer: Buyer, scored: Sequence[ScoredSample], context: Context, arrivals: Timing, places: range
) -> tuple[dict[int, tuple[ScoredSample, float]], int]:
    """The positions bought, each with its score and propensity; and up to where the decisions hold.

    A label that is bought here may be known to a later sample of the same batch. From that sample on, all
    has to be scored again.
    """
    propensities, after = buyer.decide(scored, context)
    bought: dict[int, tuple[ScoredSample, float]] = {}
    end = places.stop
    for at, arrival, propensity in zip(places, scored, propensities, strict=True):
        if propensity and at < end:
            bought[at] = arrival, propensity
            end = min(end, arrivals.of(at)[0])
    if end < places.stop:
        _, after = buyer.decide(scored[: end - places.start], context)
    buyer.keep(after)
    return bought, end


def _learn(done: Run, classifier: Classifier, row: Row, label: ClassLabel) -> None:
    try:
        classifier.learn(row.features, label)
    except BadMessage as error:
        done.fail(str(error))
