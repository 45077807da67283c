"""Review: looks through the last labelled samples, and searches them for where the model fails.

Nothing of this is computed before somebody asks. Then it is done in time slices, one request after the other,
so that the event loop is never held. What a search has found is kept until the labels have changed, for all
who ask meanwhile, and for some seconds at least.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from stream_al.engine.explore.filter import Row, Test
from stream_al.engine.labels.judge import same_label
from stream_al.engine.trust.items import MARK
from stream_al.engine.trust.last import Labelled
from stream_al.engine.trust.segments.search import Case, Found, search
from stream_al.engine.trust.suspects import Kind, suspects
from stream_al.messages import ClassLabel, Example, label_text
from stream_al.service.loops.select import Select
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["ANY", "Review", "Wanted"]

ANY: Any = object()
"""Any class."""
MOST_FEATURES = 12  # of a sample in a list
MOST_CHARACTERS = 200  # of a value in a list
MOST_CLASSES = 5  # of a prediction in a list
FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the labelled samples are wanted: those that satisfy all that is given.

    Attributes:
        actual: The class that counts; None stands for all classes without a row of their own in the matrix.
        predicted: The class that was predicted; None likewise, and for none.
        annotator: Who gave one of the labels.
        kind: Of which kind of suspects.
        flagged: Whether an annotator has flagged it.
        several: Whether it has labels of several annotators.
        sample_id: The id of its first query.
        test: What its features, `@id`, `@label`, `@class` and `@reason` must satisfy.
    """

    actual: Any = ANY
    predicted: Any = ANY
    annotator: str | None = None
    kind: Kind | None = None
    flagged: bool | None = None
    several: bool | None = None
    sample_id: str | None = None
    test: Test | None = None


class Review:
    """Looks through the last labelled samples.

    Args:
        selection: Knows the labels, the pending queries, and what waits to be asked about again.
    """

    def __init__(self, selection: Select) -> None:
        self._model = selection.local_model
        self._pending = selection.pending
        self._second = selection.second
        self._seed = selection.settings.seed
        self._clock = selection.clock
        self._one_at_a_time = asyncio.Lock()
        self._found: tuple[object, int, float, Found] | None = None

    async def items(self, wanted: Wanted, limit: int, offset: int) -> dict[str, Any]:
        """A page of the labelled samples that are wanted, the newest first."""
        learner = self._model.learner
        trust, rows, matched = learner.trust, list[dict[str, Any]](), 0
        chosen = None
        if wanted.kind is not None:
            chosen = {one.id for one in suspects(trust) if one.kind is wanted.kind}
        samples = list(reversed(trust.last.samples.values()))
        async for sample in TimeSlices(self._clock).one_by_one(samples):
            if (chosen is not None and sample.id not in chosen) or not self._fits(sample, wanted):
                continue
            if offset <= matched < offset + limit:
                rows.append(self._row(sample))
            matched += 1
        return {"kept": len(samples), "matched": matched, "offset": offset, "items": rows}

    async def segments(self) -> Found:
        """Where the model fails, by the last labels that were bought."""
        async with self._one_at_a_time:
            learner, now = self._model.learner, self._clock.monotonic()
            if self._found is not None:
                of, upto, made, found = self._found
                if (of is learner and upto == learner.offset) or now - made < FRESH_SECONDS:
                    return found
            upto, slices = learner.offset, TimeSlices(self._clock)
            samples = slices.one_by_one(list(learner.trust.last.samples.values()))
            cases = [case async for sample in samples if (case := self._case(sample)) is not None]
            found = await slices.in_steps(search(cases, self._seed))
            self._found = learner, upto, self._clock.monotonic(), found
            return found

    def _case(self, sample: Labelled) -> Case | None:
        if not sample.bought or sample.predicted is None or not sample.propensity:
            return None
        if (example := sample.example()) is None:
            return None
        wrong = not same_label(sample.predicted, self._label(sample))
        return Case(sample.id, example.features or {}, wrong, sample.propensity)

    def _label(self, sample: Labelled) -> ClassLabel:
        """The label that counts."""
        corrected = self._model.learner.ledger.corrected.get(sample.offset)
        return corrected.label if corrected is not None else sample.notes[0].label

    def _fits(self, sample: Labelled, wanted: Wanted) -> bool:
        # A cell of the matrix counts the labels as they were given, and those alone that were bought.
        any_cell = wanted.actual is ANY and wanted.predicted is ANY
        first, who = sample.notes[0].label, wanted.annotator
        return (
            wanted.sample_id in (None, sample.id)
            and wanted.flagged in (None, sample.flagged)
            and wanted.several in (None, len(sample.notes) > 1)
            and (who is None or any(note.annotator == who for note in sample.notes))
            and (any_cell or sample.bought)
            and self._is(first, wanted.actual)
            and self._is(sample.predicted, wanted.predicted)
            and (wanted.test is None or wanted.test(self._filtered(sample)))
        )

    def _is(self, label: ClassLabel | None, wanted: Any) -> bool:
        if wanted is ANY:
            return True
        if wanted is None:
            return label is None or label not in self._model.learner.trust.confusion.classes
        return label is not None and same_label(label, wanted)

    def _filtered(self, sample: Labelled) -> Row:
        example = sample.example()
        return {
            **((example.features or {}) if example else {}),
            "@id": sample.id,
            "@label": label_text(self._label(sample)),
            "@class": None if sample.predicted is None else label_text(sample.predicted),
            "@reason": example.reason if example else None,
            "@state": "labelled",
        }

    def _row(self, sample: Labelled) -> dict[str, Any]:
        example, notes = sample.example(), sample.notes
        return {
            "id": sample.id,
            "offset": sample.offset,
            "label": self._label(sample),
            "corrected": sample.offset in self._model.learner.ledger.corrected,
            "labels": [asdict(note) for note in notes],
            "predicted": sample.predicted,
            "probabilities": _probabilities(example),
            "propensity": sample.propensity,
            "reason": example.reason if example else None,
            "labelled_at": example.labelled_at if example else None,
            "features": _features(example),
            "again": self._again(sample),
        }

    def _again(self, sample: Labelled) -> str | None:
        """Whether another annotator is asked, in a word."""
        if sample.id in self._second.by_hand:
            return "waiting"
        return "pending" if f"{sample.id}{MARK}{len(sample.notes) + 1}" in self._pending else None


def _probabilities(example: Example | None) -> dict[str, float]:
    found = example.prediction.probabilities if example and example.prediction else {}
    best = sorted(found, key=found.__getitem__, reverse=True)[:MOST_CLASSES]
    return {name: found[name] for name in best}


def _features(example: Example | None) -> dict[str, Any]:
    features = (example.features or {}) if example else {}
    first = list(features.items())[:MOST_FEATURES]
    return {name: value[:MOST_CHARACTERS] if isinstance(value, str) else value for name, value in first}
