"""The doctor: read what `engine.doctor` examines, from the topics or from a file.

A running service does not notice it: no consumer group is joined and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from stream_al.datasets.form import FileForm, Noticed
from stream_al.datasets.rows import Wanted, rows
from stream_al.engine.doctor.findings import Finding, error, note, warning
from stream_al.engine.doctor.labels import Labels
from stream_al.engine.doctor.mismatch import Mismatch, mismatch
from stream_al.engine.doctor.records import Records
from stream_al.engine.doctor.report import Report
from stream_al.engine.doctor.topics import (
    BROKER_TIME,
    GroupState,
    Needed,
    TopicState,
    clock_findings,
    existence_findings,
    group_findings,
    topic_findings,
)
from stream_al.engine.doctor.trial import MAX_TRIED, Trial, reads_as_auto, trial
from stream_al.engine.samples.sample import position_id, with_id
from stream_al.engine.samples.table import Sample, sample_of
from stream_al.engine.steps import finished
from stream_al.errors import BadMessage, StreamAlError
from stream_al.messages import ClassLabel, Example, decode
from stream_al.service.broker.kafka.survey import Excerpt, Survey
from stream_al.service.broker.topics import query_life_ms, required_topics
from stream_al.service.engine_settings import allowed_classes, input_rules, model_of
from stream_al.settings import Settings
from stream_al.terminal import listed

__all__ = ["compared_with_samples", "examine", "examine_file", "misspelt_topic"]

SECONDS = 20.0  # to read one topic
MAX_IDS = 20_000  # queries and examples whose ids are compared with those of the labels
MAX_LABELS = 5_000
MAX_COMPARED = 200  # samples whose features are compared with those of a file
FILE = "the file"  # where ids are from
CODEC = "install the package that reads it, or set compression.type of the senders to gzip or none"


async def examine(settings: Settings, survey: Survey, *, number: int, newest: bool, now_ms: int) -> Report:
    """Examine the topics of the settings.

    Args:
        settings: The settings of the service.
        survey: The cluster.
        number: How many samples to read.
        newest: Whether to read the newest instead of the first ones.
        now_ms: The time by the clock of this machine.
    """
    topics = settings.topics
    which = "newest" if newest else "first"
    report = Report(f"the {which} records of the topic {topics.samples}", _records(settings))
    found = report.found
    needed = _needed(settings)
    try:
        states = await survey.topics(one.name for one in needed)
    except StreamAlError as problem:
        found.append(error("broker", str(problem)))
        return report
    report.topics = list(states.values())
    found += existence_findings(needed, states)
    for one in needed:
        found += topic_findings(one, states[one.name])
    excerpts: dict[str, Excerpt] = {}
    for name, most in _sizes(settings, number).items():
        only_newest = newest and name == topics.samples
        try:
            if states[name].partitions:
                excerpts[name] = await survey.excerpt(name, most, newest=only_newest, seconds=SECONDS)
        except StreamAlError as problem:
            found.append(_unreadable(name, states[name], problem))
    newest_ms = _newest_broker_time(states, excerpts)
    found += clock_findings(newest_ms, now_ms)
    now_ms = max(newest_ms, now_ms)
    report.groups = await _groups(settings, survey, excerpts)
    for group in report.groups:
        found += group_findings(group)
    examples = _examples(settings, excerpts.get(topics.examples))
    known = {sample.id: label for sample, label in examples}
    if topics.labels in excerpts:
        report.labels = _labels(settings, excerpts[topics.labels], known)
        found += report.labels.findings(
            queried=_queried(settings, excerpts, known), objective=settings.model.objective
        )
        known = report.labels.known | known
    if not (topics.samples in excerpts and excerpts[topics.samples].records):
        found += await misspelt_topic(settings, survey)
    if topics.samples in excerpts:
        _add(report.records, excerpts[topics.samples])
        _conclude(report, settings, [sample for sample, _ in examples], known, now_ms)
        found += _strange(report.records, [sample for sample, _ in examples], settings)
    return report


def examine_file(settings: Settings, path: Path, *, label: str | None, form: FileForm, number: int) -> Report:
    """Examine the first rows of a file, with its labels.

    Args:
        settings: The settings of the service.
        path: The file.
        label: The path of the label, if the user names it.
        form: What the user says of the file.
        number: How many rows to read.

    Raises:
        Misconfigured: The file cannot be read.
    """
    report = Report(f"the first rows of {path}", _records(settings))
    wanted = Wanted(input_rules(settings), label, form=form, allowed=allowed_classes(settings))
    known, noticed, labels = dict[str, ClassLabel](), Noticed(), Labels()
    for row in islice(rows(path, wanted, noticed), number):
        report.records.take(sample_of(row.id, row.features), FILE)
        known[row.id] = row.label
        labels.count(row.id, row.label)
    report.labels = labels
    report.found += [warning("records", sentence) for sentence in noticed.sentences()]
    if not noticed.guessed:
        report.found.append(note("labels", f"the label of each row is taken from {noticed.label!r}"))
    report.found += labels.findings(queried=None, objective=settings.model.objective)
    _conclude(report, settings, [], known, now_ms=0)
    return report


async def compared_with_samples(
    settings: Settings, survey: Survey, examples: Iterable[Iterable[str]]
) -> Mismatch | None:
    """Compare examples, each given by the names of its features, with the newest samples of the topic.

    None if the topic does not exist, cannot be read, or holds no sample.
    """
    topic = settings.topics.samples  # its ids do not matter, and may lie elsewhere than those of a file
    records = Records(with_id(input_rules(settings), "position"), max_bytes=settings.input.max_bytes)
    try:
        if not (await survey.topics([topic]))[topic].partitions:
            return None
        excerpt = await survey.excerpt(topic, MAX_COMPARED, newest=True, seconds=SECONDS)
    except StreamAlError:  # whether a login may read samples shows to the service; an import need not
        return None
    _add(records, excerpt)
    return mismatch((one.features for one in records.samples), examples)


def _conclude(
    report: Report,
    settings: Settings,
    examples: list[Sample],
    known: Mapping[str, ClassLabel],
    now_ms: int,
) -> None:
    """Try the model, and say what is wrong with the records."""
    records, definition = report.records, settings.model.definition
    records.finish()
    is_auto = False
    if records.samples:
        make = model_of(settings)
        tried = [*examples[:MAX_TRIED], *records.samples]
        trials = [
            finished(trial(make, one, tried, records.fields, known))
            for one in (definition, *settings.model.committee)
        ]
        report.trial = trials[0]
        report.found += [finding for one in trials for finding in one.findings]
        with suppress(StreamAlError):  # the trial has said so
            is_auto = reads_as_auto(make(definition))
    report.found += records.findings(is_auto=is_auto, now_ms=now_ms)
    report.found += _summary(report.trial)


def _strange(records: Records, examples: list[Sample], settings: Settings) -> list[Finding]:
    """Whether the examples have the features of the samples."""
    compared = mismatch((one.features for one in records.samples), (one.features for one in examples))
    if compared is None or 2 * compared.strange < max(1, compared.examples):
        return []
    names = settings.topics
    return [
        error(
            "labels",
            f"{compared.strange} of {compared.examples} examples in {names.examples} have no feature of the "
            f"samples (the samples have {listed(compared.known)}), so nothing is learned from them: if they "
            "are those of another stream, give this one topics of its own (topics.examples, .queries, "
            ".labels, .control, .leases); if they were imported, name the columns like the features of the "
            "stream, and exclude the first import by a rollback",
        )
    ]


async def misspelt_topic(settings: Settings, survey: Survey) -> list[Finding]:
    """Which topics may be meant by the one of the samples, which is new or holds nothing."""
    own = {one.name for one in required_topics(settings)}
    like = await survey.like(settings.topics.samples, besides=own)
    if not like:
        return []
    return [
        warning(
            "topics", f"the broker also has {listed(like)}: if that is your stream, correct topics.samples"
        )
    ]


def _summary(tried: Trial | None) -> list[Finding]:
    if tried is None or not tried.tried or tried.refused:
        return []
    labels = "imagined labels" if tried.imagined else "the labels that are known"
    return [note("model", f"{listed([tried.definition])} takes all of {tried.tried} records with {labels}")]


def _newest_broker_time(states: Mapping[str, TopicState], excerpts: Mapping[str, Excerpt]) -> int:
    """The newest timestamp that a broker has given to one of the records; 0 if there is none."""
    stamps = [
        record.timestamp_ms
        for name, excerpt in excerpts.items()
        if states[name].config.get("message.timestamp.type") == BROKER_TIME
        for record in excerpt.records
    ]
    return max(stamps, default=0)


def _sizes(settings: Settings, number: int) -> dict[str, int]:
    """The topics to read, and most records of each."""
    topics = settings.topics
    return {
        topics.samples: number,
        topics.labels: MAX_LABELS,
        topics.queries: MAX_IDS,
        topics.examples: MAX_IDS,
    }


async def _groups(settings: Settings, survey: Survey, excerpts: Mapping[str, Excerpt]) -> list[GroupState]:
    """How far the groups of the service have come on the topics that were read."""
    stages = {"select": settings.topics.samples, "intake": settings.topics.labels}
    return [
        await survey.group(f"{settings.application}.{stage}", excerpts[topic], topic)
        for stage, topic in stages.items()
        if topic in excerpts
    ]


def _add(records: Records, excerpt: Excerpt) -> None:
    for record in excerpt.records:
        place = position_id(record.topic, record.partition, record.offset)
        records.add(record.value, key=record.key, position=place, timestamp_ms=record.timestamp_ms)


def _records(settings: Settings) -> Records:
    return Records(input_rules(settings), max_bytes=settings.input.max_bytes)


def _needed(settings: Settings) -> list[Needed]:
    """The topics as the service would create them."""
    given = settings.topics
    known = ("samples", "queries", "labels", "examples", "control", "leases")
    roles = {getattr(given, role): role for role in known}
    lives = {given.queries: query_life_ms(settings.queries)}
    return [
        Needed(
            one.name,
            roles.get(one.name, "predictions" if one.name == given.predictions else "dead_letter_suffix"),
            one.partitions,
            one.config,
            lives.get(one.name, 0),
        )
        for one in required_topics(settings)
    ]


def _unreadable(name: str, state: TopicState, problem: StreamAlError) -> Finding:
    text = str(problem)
    remedy = f": {CODEC}" if "codec" in text.lower() else ""
    packed = state.config.get("compression.type", "producer")
    told = f" (its compression.type is {packed})" if remedy and packed != "producer" else ""
    return error("records", f"the topic {name}{told} cannot be read: {text}{remedy}")


def _examples(settings: Settings, excerpt: Excerpt | None) -> list[tuple[Sample, ClassLabel]]:
    """The labelled samples of the topic of examples."""
    found = []
    for record in excerpt.records if excerpt else ():
        with suppress(BadMessage):
            example = decode(Example, record.value, max_bytes=settings.input.max_message_bytes)
            if example.features:
                found.append((sample_of(example.id, example.features), example.label))
    return found


def _labels(settings: Settings, excerpt: Excerpt, learned: Mapping[str, ClassLabel]) -> Labels:
    """The labels of the topic, with those of examples that came otherwise, such as by an import."""
    labels = Labels()
    for record in excerpt.records:
        labels.add(record.value, max_bytes=settings.input.max_bytes)
    for sample_id, label in learned.items():
        if sample_id not in labels.known:
            labels.count(sample_id, label)
    return labels


def _queried(
    settings: Settings, excerpts: Mapping[str, Excerpt], learned: Mapping[str, ClassLabel]
) -> set[str] | None:
    """The ids of all queries and examples; None if not all of them were read."""
    given = [excerpts.get(name) for name in (settings.topics.queries, settings.topics.examples)]
    if not all(excerpt and excerpt.whole for excerpt in given):
        return None
    keys = {record.key for excerpt in given if excerpt for record in excerpt.records if record.key}
    return {key.decode("utf-8", "replace") for key in keys} | learned.keys()
