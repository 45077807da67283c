"""The scoreboard: it compares the service's prediction of each sample with the truth.

It reads the topic of predictions, so it counts each prediction as it was made when the sample came. A
prediction of null (the model knows no class) is wrong, and so is a missing one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from copy import deepcopy

import msgspec

from stream_al.messages import ClassLabel, PredictionRecord
from stream_al.service.broker.protocols import Reader
from stream_al.service.broker.readers import started
from stream_al.simulate.measure import Confusion

__all__ = ["Scoreboard"]

AT_ONCE = 2000


class Scoreboard:
    """Counts predictions, correct predictions and queries.

    Args:
        reader: Reads the topic of predictions.
        truth: The label of every sample, in order. The ids of the samples count from 1.

    Attributes:
        confusion: The predictions and the truth.
        bought: The number of samples of each class whose label was queried.
        threshold: The threshold of the last decision.
    """

    def __init__(self, reader: Reader, truth: Sequence[ClassLabel]) -> None:
        self.reader = reader
        self.truth = truth
        self.confusion = Confusion()
        self.bought: Counter[ClassLabel] = Counter()
        self.threshold = 0.0
        self._examples: dict[int, int] = {}

    @property
    def decided(self) -> int:
        """The number of samples decided."""
        return len(self._examples)

    @property
    def queries(self) -> int:
        """The number of samples whose label was queried."""
        return self.bought.total()

    @property
    def accuracy(self) -> float:
        """The share of correct predictions among the samples decided."""
        return self.confusion.accuracy

    def whole(self) -> Confusion:
        """The predictions of the whole stream; none for the samples without a decision."""
        found = deepcopy(self.confusion)
        for position, truth in enumerate(self.truth):
            if position not in self._examples:
                found.add(truth, None)
        return found

    async def run(self) -> None:
        """Count until cancelled."""
        async with started(self.reader):
            while True:
                for record in await self.reader.poll(AT_ONCE, 0.1):
                    self.count(msgspec.json.decode(record.value or b"", type=PredictionRecord))

    def count(self, record: PredictionRecord) -> None:
        """Count one prediction. Only the first prediction of a sample counts."""
        position = int(record.id) - 1
        if position in self._examples:
            return
        self._examples[position] = record.model.examples
        truth = self.truth[position]
        self.confusion.add(truth, record.label)
        if record.queried:
            self.bought[truth] += 1
        self.threshold = record.threshold

    def delays_in_samples(self, learned: Iterable[str]) -> list[int]:
        """How late the labels were, in the order of their samples.

        A delay is the number of samples from the one whose label was bought to the first that knew the label.

        Args:
            learned: The ids of the examples, in the order in which the model learned them.
        """
        positions = sorted(self._examples)
        knew = [self._examples[position] for position in positions]  # rises from sample to sample
        delays: dict[int, int] = {}
        for number, sample_id in enumerate(learned, 1):
            first = bisect_left(knew, number)
            came = positions[first] if first < len(positions) else len(self.truth)
            asked = int(sample_id) - 1
            delays[asked] = max(1, came - asked)
        return [delays[asked] for asked in sorted(delays)]
