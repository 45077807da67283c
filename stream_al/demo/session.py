"""A demo session: start everything, play the stream, wait for the last label, stop everything."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from statistics import fmean
from time import monotonic

from stream_al.demo.annotator import Colleagues, TopicAnnotators
from stream_al.demo.counterfactuals import RANDOM_RUNS, prequential
from stream_al.demo.plan import DemoPlan
from stream_al.demo.player import Player
from stream_al.demo.scoreboard import Scoreboard
from stream_al.errors import Misconfigured, Unavailable
from stream_al.logs import configure
from stream_al.service.app import App
from stream_al.service.broker.kafka import Kafka
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.maintenance import create_topics
from stream_al.service.serve import serving
from stream_al.service.telemetry.problems import Kind
from stream_al.simulate.baselines import random_positions
from stream_al.simulate.class_scores import ClassScore, about_rare_classes, mean_score
from stream_al.simulate.measure import Confusion

__all__ = ["Demo", "Summary", "compare"]

REFRESH_SECONDS = 0.1
STANDSTILL_SECONDS = 60.0
UNLEARNED_SAMPLES = 25  # the stream waits while more labels are unlearned than so many samples bring
PARTITION = 0  # the samples of the demo have one partition, so they have one order


@dataclass(frozen=True)
class Summary:
    """The result of a demo.

    Attributes:
        samples: The number of samples of the stream.
        queries: The number of labels asked for.
        examples: The number of labels learned.
        budget_asked: The share of the samples whose label may be bought.
        budget_spent: The share of the samples whose label was bought.
        accuracy: The accuracy over all samples, as predicted when they came.
        accuracy_random: The same with as many labels bought at random, the mean of several draws.
        accuracy_random_runs: The same of each draw.
        accuracy_all_labels: The same with every label.
        rarest: What the service has done for the class with the fewest samples.
        rarest_random: The same with as many labels bought at random, the mean of the draws.
        rare_classes: What to do about the rare classes that the model misses; None if it misses none.
        seconds: The time from the first sample to the last label learned.
    """

    samples: int
    queries: int
    examples: int
    budget_asked: float
    budget_spent: float
    accuracy: float
    accuracy_random: float
    accuracy_random_runs: list[float]
    accuracy_all_labels: float
    rarest: ClassScore
    rarest_random: ClassScore
    rare_classes: str | None
    seconds: float


class Demo:
    """One demo.

    Args:
        plan: What to play.
        refresh: Called many times a second, to draw the state of the demo.
        started: Called once, when the service is ready.
    """

    def __init__(
        self,
        plan: DemoPlan,
        refresh: Callable[[Demo], None] = lambda demo: None,
        started: Callable[[Demo], None] = lambda demo: None,
    ) -> None:
        self.plan = plan
        self.refresh = refresh
        self.started = started
        given = plan.settings
        self.broker = Kafka(given)
        self.app = App(given, Kafka(given))
        truth = [sample.label for sample in plan.samples]
        ids = {str(number): label for number, label in enumerate(truth, 1)}
        self.annotator: Colleagues | TopicAnnotators = (
            Colleagues(lambda: self.url, ids, plan.crew)
            if plan.desk
            else TopicAnnotators(self.broker, given, ids, plan.crew)
        )
        self.scoreboard = Scoreboard(self.broker.reader(str(given.topics.predictions)), truth)
        self.player = Player(self.broker, given.topics.samples, plan.rate, lambda: self.decided, self._behind)
        self.began = self.ended = 0.0
        self._decided = 0

    @property
    def url(self) -> str | None:
        """The address of the service; None until it listens."""
        return f"http://{self.app.settings.http.host}:{self.app.port}" if self.app.port else None

    @property
    def decided(self) -> int:
        """The number of samples that the service has finished, dead letters included."""
        held = self.app.select.partitions.get(PARTITION)
        self._decided = max(self._decided, held.offset if held else 0)
        return self._decided

    @property
    def failed(self) -> int:
        """The number of samples that the model failed on, so that they were decided without a prediction."""
        return self.app.problems.count(Kind.NO_OPINION)

    @property
    def unusable(self) -> int:
        """The number of samples that are dead letters now."""
        counters = self.app.metrics.dead_letters.collect()
        found = [sample for counter in counters for sample in counter.samples]
        select = [s for s in found if s.name.endswith("_total") and s.labels["stage"] == "select"]
        return int(sum(sample.value for sample in select))

    @property
    def learned(self) -> int:
        """The number of labels that the model has learned."""
        return len(self.app.local_model.learner.known)

    @property
    def seconds(self) -> float:
        """The time since the first sample."""
        return (self.ended or monotonic()) - self.began if self.began else 0.0

    async def run(self) -> None:
        """Play the demo. Everything that was started is stopped, whatever happens."""
        configure(self.plan.settings)
        logging.getLogger("stream_al.audit").setLevel(logging.WARNING)  # each label would be a line
        await create_topics(self.plan.settings, self.broker)  # stops the broker's client afterwards
        await self.broker.start()
        service = asyncio.create_task(serving(self.app), name="service")
        helpers = [asyncio.create_task(self.annotator.run()), asyncio.create_task(self.scoreboard.run())]
        play = asyncio.create_task(self._play())
        try:
            await asyncio.wait({service, play, *helpers}, return_when=asyncio.FIRST_COMPLETED)
            for task in (service, *helpers):
                if task.done():
                    task.result()  # raises the error that ended the task
            await play
        finally:
            for task in (play, *helpers):
                task.cancel()
            await asyncio.gather(play, *helpers, return_exceptions=True)
            self.ended = self.ended or monotonic()
            self.app.stopping.set()
            await asyncio.gather(service, return_exceptions=True)
            await self.broker.stop(2.0)

    def delays_in_samples(self) -> list[int]:
        """How late the labels were, in samples and in their order; one sample if there is none."""
        return self.scoreboard.delays_in_samples(self.app.local_model.learner.known) or [1]

    async def _play(self) -> None:
        while not self.app.ready:
            self.refresh(self)
            await asyncio.sleep(REFRESH_SECONDS)
        self.started(self)
        self.began = monotonic()
        playing = asyncio.create_task(self.player.play(self.plan.samples))
        try:
            await self._watch(playing)
        finally:
            playing.cancel()
        self.ended = monotonic()
        self.refresh(self)

    async def _watch(self, playing: asyncio.Task[None]) -> None:
        """Wait until every sample is decided and every label is learned; at the desk, until interrupted."""
        before, moved = None, monotonic()
        while not self._over():
            if playing.done():
                playing.result()
            if stopped := self.app.select.stopped().get(PARTITION):
                raise Misconfigured(f"--model: write one that can use this stream ({stopped.split(';')[0]})")
            now = (
                self.player.sent,
                self.decided,
                self.scoreboard.decided,
                self.annotator.labelled,
                self.learned,
            )
            if now != before or self.annotator.busy:
                before, moved = now, monotonic()
            if monotonic() - moved > STANDSTILL_SECONDS:
                raise Unavailable("the demo makes no progress; run it again")
            self.refresh(self)
            await asyncio.sleep(REFRESH_SECONDS)

    def _over(self) -> bool:
        number = len(self.plan.samples)
        counted = self.scoreboard.decided + self.unusable
        done = self.decided == number == counted and self.learned >= self.scoreboard.queries
        return done and not self.plan.desk

    def _behind(self) -> bool:
        unlearned = self.annotator.labelled - self.learned
        return unlearned > UNLEARNED_SAMPLES * self.plan.settings.budget.share


def compare(demo: Demo, progress: Callable[[int, int], None] = lambda done, total: None) -> Summary:
    """Compute the counterfactuals (`demo.counterfactuals`) and summarise.

    Args:
        demo: A demo that is over.
        progress: Called with the number of samples done in all counterfactuals, and their total number.
    """
    plan, scoreboard = demo.plan, demo.scoreboard
    number, seed, delays = len(plan.samples), plan.settings.seed, demo.delays_in_samples()

    def counterfactual(bought: Collection[int], delays: list[int], nth: int) -> Confusion:
        fresh = fresh_learner(plan.settings)

        def count(now: int) -> None:
            progress(nth * number + now, (RANDOM_RUNS + 1) * number)

        return prequential(plan.samples, fresh.model, bought, delays, count, fresh.rule)

    draws = [
        random_positions(scoreboard.queries, number, seed * RANDOM_RUNS + nth) for nth in range(RANDOM_RUNS)
    ]
    at_random = [counterfactual(bought, delays, nth) for nth, bought in enumerate(draws)]
    accuracies = [run.accuracy for run in at_random]
    whole = scoreboard.whole()
    classes = whole.classes(scoreboard.bought)
    return Summary(
        samples=number,
        queries=scoreboard.queries,
        examples=demo.app.local_model.model.examples,
        budget_asked=plan.settings.budget.share,
        budget_spent=scoreboard.queries / number,
        accuracy=whole.accuracy,
        accuracy_random=fmean(accuracies),
        accuracy_random_runs=accuracies,
        accuracy_all_labels=counterfactual(range(number), [1], RANDOM_RUNS).accuracy,
        rarest=classes[0],
        rarest_random=mean_score(
            [
                run.classes(Counter(plan.samples[position].label for position in bought))[0]
                for run, bought in zip(at_random, draws, strict=True)
            ]
        ),
        rare_classes=about_rare_classes(classes, plan.settings.model.objective),
        seconds=round(demo.seconds, 3),
    )
