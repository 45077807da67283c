"""One run: the engine over a recorded stream, prequentially.

For every sample, in order:

    1. learn the labels that have come by now, in the order in which they came;
    2. predict it;
    3. decide whether to buy its label; a label bought comes after its delay.

The service does the same with a broker between the steps. Nothing here reads, writes or waits, and every
random draw is a hash of the seed and the sample's id, so a run can be repeated anywhere with the same result.

*Batches.* Between two labels the model does not change, so samples may be predicted and decided at once. A
batch ends where the next label comes; where one of its own samples is bought whose label comes before that,
the rest of the batch is taken back. The result is therefore that of one by one.

*What the model fails on.* The service sends a sample that the model cannot predict from to the dead letters
and decides nothing about it; here it counts as predicted wrongly. A label that the model refuses to learn
is paid for all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Protocol, TypeAlias

from stream_al.datasets.rows import Row
from stream_al.engine.budgets import Context
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.randomness import uniform
from stream_al.engine.samples.table import Sample, sample_of, with_shared_shapes
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel
from stream_al.simulate.delay import Arrivals

__all__ = ["Annotator", "Buyer", "Chosen", "Learner", "Played", "Selective", "identity", "play", "warm_up"]

BATCH = 256  # samples; a longer one would save nothing and delay the progress bar
UNLIMITED = 2**31

Seen: TypeAlias = tuple[int, ScoredSample | BadMessage]


class Learner(Protocol):
    """What predicts and learns: the engine's model, or something simpler to compare it with."""

    @property
    def ready(self) -> bool:
        """Whether it has learned enough for its probabilities to mean something."""

    @property
    def examples(self) -> int:
        """How many examples it has learned."""

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        """What it believes; may raise BadMessage."""

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Learn one example; may raise BadMessage."""


class Buyer(Protocol):
    """What decides which labels to buy."""

    def score(self, learner: Any, samples: Sequence[Sample]) -> Sequence[ScoredSample | BadMessage]:
        """The samples as the learner sees them; a BadMessage for one that it fails on."""

    def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[list[bool], Any]:
        """Decide about samples in their order: which to buy, and the state after them."""

    def keep(self, state: Any) -> None:
        """What was decided last stands."""


class Selective:
    """The engine's selector, and the account that it keeps of one partition.

    Args:
        selector: The selector.
        clock: When each sample came, in seconds, for caps on an hour; None if nobody knows.
    """

    def __init__(self, selector: Selector, clock: Sequence[float] | None = None) -> None:
        self.selector = selector
        self.clock = clock
        self.state = selector.start()

    def score(self, learner: Any, samples: Sequence[Sample]) -> Sequence[ScoredSample | BadMessage]:
        """As the selector looks at samples."""
        times = [0] * len(samples)
        if self.clock is not None:
            times = [int(1000 * self.clock[int(sample.id) - 1]) for sample in samples]
        return self.selector.score_many(learner, samples, times)

    def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[list[bool], Any]:
        """As the selector decides."""
        decisions, after = self.selector.decide(self.state, arrivals, context)
        return [decision.selected for decision in decisions], after

    def keep(self, state: Any) -> None:
        """The account as it is now."""
        self.state = state


class Chosen:
    """Positions that were chosen before the stream began.

    Args:
        positions: Of the samples whose label is bought, counted from 0.
    """

    def __init__(self, positions: Collection[int]) -> None:
        self.positions = positions

    def score(self, learner: Any, samples: Sequence[Sample]) -> Sequence[ScoredSample | BadMessage]:
        """What the learner believes; what a label would be worth has no say."""
        return [self._score(learner, sample) for sample in samples]

    def _score(self, learner: Any, sample: Sample) -> ScoredSample | BadMessage:
        try:
            return ScoredSample(sample.id, learner.probabilities(sample.features), utility=0.0)
        except BadMessage as error:
            return error

    def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[list[bool], Any]:
        """Whether each is among the positions."""
        return [int(arrival.id) - 1 in self.positions for arrival in arrivals], None

    def keep(self, state: Any) -> None:
        """There is nothing to keep."""


@dataclass(frozen=True, slots=True)
class Annotator:
    """Answers, sometimes wrongly.

    Attributes:
        classes: All there are.
        error: The probability of answering with a class that is not the truth, each of them equally likely.
        seed: Of the draws.

    >>> Annotator(["a", "b"], error=1.0, seed=0).answer("1", "a")
    'b'
    """

    classes: Sequence[ClassLabel] = ()
    error: float = 0.0
    seed: int = 0

    def answer(self, sample_id: str, truth: ClassLabel) -> ClassLabel:
        """The label that is given, always the same for the same sample."""
        draw = uniform(self.seed, "annotator", sample_id)
        others = [label for label in self.classes if label != truth]
        if draw >= self.error or not others:
            return truth
        return others[int(draw / self.error * len(others))]  # below the error, the draw is uniform again


@dataclass(slots=True)
class Played:
    """What happened in a run.

    Attributes:
        predicted: What was predicted for each sample; None is no prediction.
        bought: The positions of the labels bought, in order.
        learned: For each label learned, in order: the sample's position, and that of the first sample whose
            prediction knew it.
        failed: Samples that the model could not predict from, and labels that it refused.
        complaint: What it said of the first of them.
    """

    predicted: list[ClassLabel | None] = field(default_factory=list)
    bought: list[int] = field(default_factory=list)
    learned: list[tuple[int, int]] = field(default_factory=list)
    failed: int = 0
    complaint: str = ""

    def complain(self, error: BadMessage) -> None:
        """Count a failure."""
        self.failed += 1
        self.complaint = self.complaint or str(error)


def identity(position: int) -> str:
    """The id of the sample at a position: they are counted from 1."""
    return str(position + 1)


def warm_up(rows: Sequence[Row], learner: Learner) -> None:
    """Teach rows that were labelled before the stream began."""
    for row in rows:
        try:
            learner.learn(row.features, row.label)
        except BadMessage:
            continue  # what the model refuses, it refuses in the service too


def play(  # noqa: PLR0913 - what a run is made of
    rows: Sequence[Row],
    learner: Learner,
    buyer: Buyer,
    arrivals: Arrivals,
    *,
    answer: Callable[[str, ClassLabel], ClassLabel] = Annotator().answer,
    names: Callable[[int], str] = identity,
    most_pending: int = UNLIMITED,
    batch: int = BATCH,
    progress: Callable[[int], None] = lambda done: None,
) -> Played:
    """Play the stream once.

    Args:
        rows: The stream.
        learner: It learns in place.
        buyer: Who decides; its account changes in place.
        arrivals: When labels come.
        answer: What the annotator says of a sample, from its id and the truth; asked when the label comes.
        names: The id of the sample at a position.
        most_pending: Labels on their way above which none is bought.
        batch: The most samples to decide at once; it does not change the result.
        progress: Called with the samples done, batch by batch.
    """
    played = Played()
    samples = with_shared_shapes(
        sample_of(names(position), row.features) for position, row in enumerate(rows)
    )
    waiting: list[tuple[int, float, int]] = []  # first sample to know it, order among equals, position
    position, size = 0, 1
    while position < len(rows):
        while waiting and waiting[0][0] <= position:
            _, _, labelled = heappop(waiting)
            row = rows[labelled]
            _learn(played, learner, row, answer(samples[labelled].id, row.label))
            played.learned.append((labelled, position))
        end = min(position + size, len(rows), waiting[0][0] if waiting else len(rows))
        seen = list(zip(range(position, end), buyer.score(learner, samples[position:end]), strict=True))
        pending = len(waiting)
        context = Context(
            ready=learner.ready, room=most_pending - pending, pending=pending, known=learner.examples
        )
        bought, end = _buy(buyer, seen, context, arrivals, end)
        for _, arrival in seen[: end - position]:
            if isinstance(arrival, BadMessage):
                played.complain(arrival)
                played.predicted.append(None)
            else:
                played.predicted.append(likeliest_label(arrival.probabilities))
        for at in bought:
            heappush(waiting, (arrivals.first[at], arrivals.order[at], at))
        played.bought += bought
        size = min(batch, 2 * (end - position))  # to look far ahead is in vain where labels come soon
        position = end
        progress(position)
    return played


def _buy(
    buyer: Buyer, seen: Sequence[Seen], context: Context, arrivals: Arrivals, end: int
) -> tuple[list[int], int]:
    """What is bought, and the position up to which that holds.

    Beyond the first sample that knows a label bought here, all has to be looked at anew.
    """
    usable = [(at, arrival) for at, arrival in seen if not isinstance(arrival, BadMessage)]
    selected, after = buyer.decide([arrival for _, arrival in usable], context)
    bought: list[int] = []
    for (at, _), yes in zip(usable, selected, strict=True):
        if yes and at < end:
            bought.append(at)
            end = min(end, arrivals.first[at])
    before = [arrival for at, arrival in usable if at < end]
    if len(before) < len(usable):
        _, after = buyer.decide(before, context)
    buyer.keep(after)
    return bought, end


def _learn(played: Played, learner: Learner, row: Row, label: ClassLabel) -> None:
    try:
        learner.learn(row.features, label)
    except BadMessage as error:
        played.complain(error)
