"""The plan of a simulation. Every mistake in the options is found before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from math import isfinite, nan
from pathlib import Path
from typing import Protocol

from stream_al import settings
from stream_al.datasets.form import FileForm, Noticed
from stream_al.datasets.rows import Row, Wanted
from stream_al.engine.budgets.caps import Caps
from stream_al.engine.labels.spelling import AllowedClasses
from stream_al.engine.samples.labelled import Places
from stream_al.engine.samples.sample import InputRules, with_id
from stream_al.engine.trust.again import Wanted as SecondLabels
from stream_al.errors import Misconfigured
from stream_al.settings import Settings
from stream_al.simulate.cases import Grid, Terms
from stream_al.simulate.choice import MEASURES
from stream_al.simulate.delay import Delay
from stream_al.simulate.people.crew import ANNOTATORS, crew, parse_crew, split
from stream_al.simulate.stream import UNITS, Columns, Stream, make_stream, moment, named_rows
from stream_al.simulate.topic import LABEL_TIME, TIME, KnownLabel, TopicRecord, recorded

__all__ = ["InputRulesOf", "SimulationOptions", "SimulationPlan", "TopicSource", "prepare"]

# SimulationOptions that list values of a setting, whose own check judges each of them.
PATHS = {
    "--strategies": "strategy",
    "--managers": "budget.manager",
    "--models": "model.definition",
}

NO_DELAY = "0"
ONE_ANNOTATOR = (
    "labels.per_query and labels.second_share are left out, because one annotator gives all labels: write "
    "several, such as --annotators 'ada: error=0.1; bob: error=0.1'"
)

InputRulesOf = Callable[[Settings], InputRules]
"""From the settings to the rules by which the service reads features."""


class TopicSource(Protocol):
    """Reads the topics on the broker that the settings name."""

    def fetch(self, given: Settings, topic: str, wanted: Callable[[int], bool]) -> Sequence[TopicRecord]:
        """The records of a topic whose timestamp in milliseconds is wanted."""

    def known_labels(self, given: Settings) -> Mapping[str, KnownLabel]:
        """The labels that the model has learned, by the id of the sample."""


@dataclass(frozen=True)
class SimulationOptions:
    """The options of the command, as given. None means not given."""

    file: Path | None = None
    stream: str | None = None
    topic: str | None = None
    begin: str | None = None
    end: str | None = None
    label: str | None = None
    id: str | None = None
    time: str | None = None
    label_time: str | None = None
    time_unit: str = "s"
    form: FileForm = field(default_factory=FileForm)
    strategies: str | None = None
    managers: str | None = None
    models: Sequence[str] = ()
    budgets: str | None = None
    delays: str = NO_DELAY
    annotator_error: float = 0.0
    annotators: str | None = None
    warm_start: int = 0
    samples: int | None = None
    seeds: int = 1
    jobs: int = 1
    measure: str = "accuracy"
    report: Path | None = None
    config: Path | None = None
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class SimulationPlan:
    """What to simulate.

    Attributes:
        stream: The stream.
        grid: The values to compare.
        terms: What all runs have in common.
        notes: What the user should know about the stream, in sentences.
    """

    stream: Stream
    grid: Grid
    terms: Terms
    notes: Sequence[str] = ()


def prepare(
    options: SimulationOptions,
    rules: InputRulesOf,
    source: TopicSource,
    progress: Callable[[int], None] = lambda done: None,
) -> SimulationPlan:
    """Check the options and read the stream.

    Args:
        options: The options of the command.
        rules: From the settings to the rules by which the service reads features.
        source: Reads topics.
        progress: Called with the number of rows read.

    Raises:
        Misconfigured: What to write instead.
    """
    _check(options)
    given = settings.load(options.config, options.overrides, imports=True)
    budget = given.budget
    columns = _columns(options)
    delays = _delays(options, columns)
    if budget.per_hour is not None and columns.time is None:
        raise Misconfigured(
            "--time: name the column with the time of each sample, because budget.per_hour caps the labels "
            "of an hour"
        )
    several = len(parse_crew(options.annotators)) > 1 if options.annotators else False
    models = [model for text in options.models for model in _listed(text, "--models", ";")]
    grid = Grid(
        strategies=_listed(options.strategies or given.strategy, "--strategies"),
        managers=_listed(options.managers or budget.manager, "--managers"),
        models=models or [given.model.definition],
        budgets=_shares(options.budgets or str(budget.share)),
        delays=delays,
        annotator_error=options.annotator_error,
        seeds=range(given.seed, given.seed + options.seeds),
        annotators=options.annotators or "",
        wanted=SecondLabels(given.labels.per_query, given.labels.second_share) if several else SecondLabels(),
    )
    _check_values(options, grid)
    noticed = Noticed()
    name, found, notes = _read(options, given, with_id(rules(given), options.id), source, noticed)
    stream = make_stream(name, islice(found, options.samples), columns, progress)
    notes += [*stream.remarks(), *noticed.sentences()]
    if not several and (given.labels.per_query > 1 or given.labels.second_share):
        notes.append(ONE_ANNOTATOR)
    crew(parse_crew(options.annotators) if options.annotators else (), stream.classes, given.seed)  # raises
    if options.warm_start >= len(stream.rows):
        raise Misconfigured(f"--warm-start: write less than the {len(stream.rows):,} samples that there are")
    terms = Terms(
        exploration=budget.exploration,
        most_pending=budget.pending,
        limits=given.model.limits(),
        objective=given.model.objective,
        committee=tuple(given.model.committee),
        target=given.target(),
        warm_start=options.warm_start,
        caps=Caps(budget.per_hour, budget.total),
    )
    return SimulationPlan(stream, grid, terms, notes)


def _check(options: SimulationOptions) -> None:
    sources = [source for source in (options.file, options.stream, options.topic) if source is not None]
    if len(sources) != 1:
        raise Misconfigured("simulate: name one stream: a FILE, --stream shuttle, or --topic TOPIC")
    least = {"--samples": (options.samples, 1), "--seeds": (options.seeds, 1), "--jobs": (options.jobs, 1)}
    for option, (number, bound) in {**least, "--warm-start": (options.warm_start, 0)}.items():
        if number is not None and number < bound:
            raise Misconfigured(f"{option}: write a number of at least {bound}, not {number}")
    if not (isfinite(options.annotator_error) and 0 <= options.annotator_error <= 1):
        raise Misconfigured(f"--annotator-error: write a share from 0 to 1, not {options.annotator_error:g}")
    if options.annotators and options.annotator_error:
        raise Misconfigured("--annotator-error: write error=... of each annotator in --annotators instead")
    for option, value, known in (
        ("--measure", options.measure, MEASURES),
        ("--time-unit", options.time_unit, UNITS),
    ):
        if value not in known:
            raise Misconfigured(f"{option}: write one of {', '.join(known)}, not {value!r}")
    if options.topic is None and (options.begin or options.end):
        raise Misconfigured("--from, --to: they are a range of a --topic; for a file, write --samples")


def _columns(options: SimulationOptions) -> Columns:
    if options.topic is None or options.time is not None:
        return Columns(options.time, options.label_time, UNITS[options.time_unit])
    return Columns(TIME, options.label_time or (None if options.label else LABEL_TIME))


def _check_values(options: SimulationOptions, grid: Grid) -> None:
    """Check that the settings accept each value. A strategy may suit one model and not another."""
    together = [
        {"--models": model, "--strategies": strategy}
        for model, strategy in product(grid.models, grid.strategies)
    ]
    for values in [*together, *({"--managers": manager} for manager in grid.managers)]:
        given = [f"{PATHS[option]}={value}" for option, value in values.items()]
        with settings.option_mistakes(PATHS):
            settings.load(options.config, [*options.overrides, *given], imports=True)


def _shares(text: str) -> list[float]:
    found = []
    for part in _listed(text, "--budgets"):
        try:
            share = float(part)
        except ValueError:
            share = nan
        if not 0 < share <= 1:
            raise Misconfigured(f"--budgets: write a number > 0 and <= 1, such as 0.05, not {part!r}")
        found.append(share)
    return found


def _listed(text: str, option: str, separator: str = ",") -> list[str]:
    """Values separated by commas, each once. A comma within brackets does not separate."""
    found = list(dict.fromkeys(part for part in split(text, separator) if part))
    if not found:
        raise Misconfigured(f"{option}: write at least one, several separated by {separator!r}")
    return found


def _delays(options: SimulationOptions, columns: Columns) -> list[str]:
    """The delays to compare, as written.

    Raises:
        Misconfigured: The stream has no times for them, or the annotators say when labels come.
    """
    if options.annotators and any(profile.timed for profile in parse_crew(options.annotators)):
        if options.delays != NO_DELAY:
            raise Misconfigured("--delays: leave it out, because --annotators says when labels come")
        if columns.time is None:
            raise Misconfigured(
                "--annotators: delay, speed and away need --time COLUMN, the time of each sample"
            )
        return [ANNOTATORS]
    delays = [Delay.parse(text) for text in _listed(options.delays, "--delays")]
    for delay in delays:
        delay.check(clock=columns.time is not None, labelled=columns.label_time is not None)
    return [delay.text for delay in delays]


def _read(
    options: SimulationOptions, given: Settings, rules: InputRules, source: TopicSource, noticed: Noticed
) -> tuple[str, Iterable[Row], list[str]]:
    """The name of the stream, its rows, and what the user should know about them."""
    if options.topic is not None:
        return _read_topic(options, options.topic, given, rules, source)
    allowed = AllowedClasses(given.labels.classes)
    wanted = Wanted(rules, options.label, options.time, options.label_time, options.form, allowed=allowed)
    return *named_rows(options.file, options.stream or "", wanted, noticed), []


def _read_topic(
    options: SimulationOptions, topic: str, given: Settings, rules: InputRules, source: TopicSource
) -> tuple[str, Iterable[Row], list[str]]:
    begin, end = _bound("--from", options.begin), _bound("--to", options.end)

    def wanted(timestamp_ms: int) -> bool:
        return (begin is None or timestamp_ms >= begin) and (end is None or timestamp_ms < end)

    known = {} if options.label else source.known_labels(given)
    records = source.fetch(given, topic, wanted)
    places = Places(options.label, options.time, options.label_time)
    found, left_out = recorded(records, rules, given.input.max_bytes, places=places, known=known)
    notes = [f"{left_out:,} of {len(records):,} records have no label and are left out"] if left_out else []
    if not options.label and left_out:
        notes.append(
            "the other records are those that the service queried: results on them hold for these samples "
            "and not for the whole stream"
        )
    if not found:
        where = f"at {options.label!r}" if options.label else f"in the topic {given.topics.examples}"
        raise Misconfigured(f"--topic: no sample of {topic} in this range has a label {where}")
    return topic, found, notes


def _bound(option: str, text: str | None) -> int | None:
    """The time of an option, in milliseconds."""
    if text is None:
        return None
    seconds = moment(text)
    if seconds is None:
        raise Misconfigured(f"{option}: write a time such as 2026-01-31T12:00:00Z, not {text!r}")
    return round(seconds * 1000)
