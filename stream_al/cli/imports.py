"""The import of labels from a file: what is sent, and the report on what became of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream_al.cli.broker import bar, run, survey
from stream_al.errors import Misconfigured

if TYPE_CHECKING:
    from stream_al.datasets.form import FileForm, Noticed
    from stream_al.engine.doctor.mismatch import Mismatch
    from stream_al.service.broker.kafka.survey import Survey
    from stream_al.service.broker.protocols import Broker
    from stream_al.service.maintenance import Imported, ImportOutcomes
    from stream_al.settings import Settings
from stream_al.terminal import listed

__all__ = ["ImportReport", "import_file"]

MANY = 10  # rows of one class that are no small step
COMPARED = 1000  # rows whose features are compared with those of the samples
OUTCOMES = {
    "learned": "learned",
    "refused": "refused by the model, which cannot learn them",
    "duplicate": "had this label already",
    "conflict": "contradict an earlier label of their id, and are not learned",
    "voided": "excluded by an operator",
    "forgotten": "without features",
}
"""What may become of a row, and how to say it."""


@dataclass(frozen=True)
class ImportReport:
    """What became of a file.

    Attributes:
        sent: The rows that were sent to the topic of the examples.
        outcomes: What the model makes of them; None if that was not computed.
        noticed: What was noticed while the file was read.
        only_class: The class of all rows, in words; None if there are several.
    """

    sent: int
    outcomes: ImportOutcomes | None
    noticed: Noticed
    only_class: str | None = None

    @property
    def is_in_vain(self) -> bool:
        """Whether the model has refused every row."""
        return self.outcomes is not None and self.outcomes.refused.total() == self.sent

    def record(self) -> dict[str, Any]:
        """It as plain values."""
        return {
            "sent": self.sent,
            "outcomes": self.outcomes and dict(self.outcomes.counts),
            "refused": self.outcomes and dict(self.outcomes.refused),
            "left_out": {"no_label": self.noticed.unlabelled, **self.noticed.refused},
            "notes": list(self.noticed.sentences()),
        }

    def sentences(self) -> Iterator[str]:
        """It for a person."""
        yield from self.noticed.sentences()
        if self.only_class is not None and self.sent >= MANY:
            yield (
                f"all rows are of the class {self.only_class}: import about as many of other classes too, "
                "or the model takes too much for it until labels of the others are bought"
            )
        yield f"{self.sent:,} examples imported"
        if self.outcomes is None:
            return
        for outcome, number in self.outcomes.counts.items():
            yield f"{number:>9,} {OUTCOMES.get(outcome, outcome)}"
        for reason, number in self.outcomes.refused.items():
            yield f"refused because of {reason}: {number:,}, such as: {self.outcomes.messages[reason]}"


def import_file(
    given: Settings, file: Path, label: str | None, identity: str | None, form: FileForm, *, check: bool
) -> ImportReport:
    """Send the rows of a file, and say what became of them.

    Args:
        given: The settings.
        file: The file.
        label: The path of the label, if the user names it.
        identity: The path of the id, if the user names it.
        form: What the user says of the file.
        check: Whether to compare the features with those of the samples before, and to compute what the model
            makes of the rows.

    Raises:
        Misconfigured: The file cannot be read; nothing was sent. Or no row was new and usable.
    """
    from stream_al.datasets.form import Noticed  # noqa: PLC0415 - `--help` need not load River
    from stream_al.datasets.rows import Wanted, rows  # noqa: PLC0415
    from stream_al.engine.labels.spelling import shown  # noqa: PLC0415
    from stream_al.engine.samples.sample import with_id  # noqa: PLC0415
    from stream_al.service import maintenance  # noqa: PLC0415
    from stream_al.service.engine_settings import allowed_classes, input_rules  # noqa: PLC0415

    source = f"seed-{_digest(file)}"
    rules = with_id(input_rules(given), identity)
    wanted = Wanted(rules, label, form=form, source=source, allowed=allowed_classes(given))
    noticed = Noticed()
    classes = Counter(row.label for row in rows(file, wanted, noticed))  # every mistake shows before sending
    total = classes.total()
    if not total:
        raise Misconfigured(f"{file}: it holds no row with a label")

    async def seed(broker: Broker) -> Imported:
        with bar("importing") as progress:
            return await maintenance.import_labels(
                given, broker, rows(file, wanted), source, lambda sent: progress(sent, total)
            )

    async def learn(imported: Imported, broker: Broker) -> ImportOutcomes:
        with bar("learning") as progress:
            return await maintenance.import_outcomes(given, broker, imported, progress)

    if check:
        _refuse_strange(given, file, [row.features for row in islice(rows(file, wanted), COMPARED)], noticed)
    imported = run(given, seed)
    outcomes = run(given, partial(learn, imported)) if check else None
    only = shown(next(iter(classes))) if len(classes) == 1 else None
    return ImportReport(imported.number, outcomes, noticed, only)


def _refuse_strange(
    given: Settings, file: Path, features: Sequence[Mapping[str, Any]], noticed: Noticed
) -> None:
    """Refuse a file whose features no sample has: the model would learn it and never use what it learned."""
    from stream_al.service.maintenance.doctor import compared_with_samples  # noqa: PLC0415

    async def compare(cluster: Survey) -> Mismatch | None:
        return await compared_with_samples(given, cluster, features)

    found, topic = survey(given, compare), given.topics.samples
    if found is None:
        return
    if found.strange == found.examples:
        names = list(dict.fromkeys(name for row in features for name in row))
        raise Misconfigured(
            f"{file}: no sample of the topic {topic} has any of its features ({listed(names)}; the samples "
            f"have {listed(found.known)}), so the model would learn nothing for this stream: name them as "
            "they are named there, or set input.features to where they are; --no-check imports them all the "
            "same"
        )
    if found.unknown:
        noticed.remarks.append(
            f"no sample of the topic {topic} has {listed(found.unknown)}: what the model learns of it is of "
            "no use there, and it may be known too late, as the label is; input.exclude leaves it out"
        )


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, partial(hashlib.blake2b, digest_size=6)).hexdigest()
    except OSError as error:
        raise Misconfigured(f"{file}: it cannot be read: {error.strerror}") from None
