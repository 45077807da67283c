"""The plan: what to simulate; every mistake in the options is found before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import isfinite, nan
from pathlib import Path
from typing import Protocol

from stream_al import settings
from stream_al.datasets.rows import Row, rows
from stream_al.engine.budgets.caps import Caps
from stream_al.engine.samples.sample import InputRules
from stream_al.errors import Misconfigured
from stream_al.settings import Settings
from stream_al.simulate.cases import Grid, Terms
from stream_al.simulate.choice import MEASURES
from stream_al.simulate.delay import Delay
from stream_al.simulate.stream import UNITS, Columns, Stream, bundled, make_stream, moment
from stream_al.simulate.topic import LABEL_TIME, TIME, Known, Record, recorded

__all__ = ["Broker", "Options", "Plan", "Rules", "prepare"]

# Options that list values of a setting, whose own check judges each of them.
PATHS = {
    "--strategies": "strategy",
    "--managers": "budget.manager",
    "--models": "model.definition",
}

Rules = Callable[[Settings], InputRules]
"""How the service reads features, with these settings."""


class Broker(Protocol):
    """The broker that settings name, as far as a simulation reads it."""

    def fetch(self, given: Settings, topic: str, wanted: Callable[[int], bool]) -> Sequence[Record]:
        """The records of a topic whose timestamp, in milliseconds, is wanted."""

    def known_labels(self, given: Settings) -> Mapping[str, Known]:
        """The labels that the model has learned, by the ids of their samples."""


@dataclass(frozen=True)
class Options:
    """The options of the command, as given; None is not given."""

    file: Path | None = None
    stream: str | None = None
    topic: str | None = None
    begin: str | None = None
    end: str | None = None
    label: str | None = None
    time: str | None = None
    label_time: str | None = None
    time_unit: str = "s"
    strategies: str | None = None
    managers: str | None = None
    models: Sequence[str] = ()
    budgets: str | None = None
    delays: str = "0"
    annotator_error: float = 0.0
    warm_start: int = 0
    samples: int | None = None
    seeds: int = 1
    jobs: int = 1
    measure: str = "accuracy"
    report: Path | None = None
    config: Path | None = None
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    Attributes:
        stream: The stream.
        grid: What to compare.
        terms: What all runs have in common.
        notes: What the user should know about the stream.
    """

    stream: Stream
    grid: Grid
    terms: Terms
    notes: Sequence[str] = ()


def prepare(
    options: Options, rules: Rules, broker: Broker, progress: Callable[[int], None] = lambda done: None
) -> Plan:
    """Check the options and read the stream.

    Raises:
        Misconfigured: What to write instead.
    """
    _check(options)
    given = settings.load(options.config, options.overrides)
    budget = given.budget
    delays = [Delay.parse(text) for text in _listed(options.delays, "--delays")]
    columns = _columns(options)
    for delay in delays:
        delay.check(clock=columns.time is not None, labelled=columns.label_time is not None)
    if budget.per_hour is not None and columns.time is None:
        raise Misconfigured(
            "--time: name the column that says when each sample came, for budget.per_hour caps the labels "
            "of an hour"
        )
    models = [model for text in options.models for model in _listed(text, "--models", ";")]
    grid = Grid(
        strategies=_listed(options.strategies or given.strategy, "--strategies"),
        managers=_listed(options.managers or budget.manager, "--managers"),
        models=models or [given.model.definition],
        budgets=_shares(options.budgets or str(budget.share)),
        delays=[delay.text for delay in delays],
        annotator_error=options.annotator_error,
        seeds=range(given.seed, given.seed + options.seeds),
    )
    _judge(options, grid)
    name, found, notes = _source(options, given, rules(given), broker)
    chosen = islice(found, options.samples)
    stream = make_stream(name, chosen, columns, rules(given), progress)
    if options.warm_start >= len(stream.rows):
        raise Misconfigured(f"--warm-start: write less than the {len(stream.rows):,} samples that there are")
    terms = Terms(
        exploration=budget.exploration,
        most_pending=budget.pending,
        max_classes=given.model.max_classes,
        committee=tuple(given.model.committee),
        target=given.target(),
        warm_start=options.warm_start,
        caps=Caps(budget.per_hour, budget.total),
    )
    return Plan(stream, grid, terms, notes)


def _check(options: Options) -> None:
    sources = [source for source in (options.file, options.stream, options.topic) if source is not None]
    if len(sources) != 1:
        raise Misconfigured("simulate: name one stream: a FILE, --stream shuttle, or --topic TOPIC")
    least = {"--samples": (options.samples, 1), "--seeds": (options.seeds, 1), "--jobs": (options.jobs, 1)}
    for option, (number, bound) in {**least, "--warm-start": (options.warm_start, 0)}.items():
        if number is not None and number < bound:
            raise Misconfigured(f"{option}: write a number of at least {bound}, not {number}")
    if not (isfinite(options.annotator_error) and 0 <= options.annotator_error <= 1):
        raise Misconfigured(f"--annotator-error: write a share from 0 to 1, not {options.annotator_error:g}")
    for option, value, known in (
        ("--measure", options.measure, MEASURES),
        ("--time-unit", options.time_unit, UNITS),
    ):
        if value not in known:
            raise Misconfigured(f"{option}: write one of {', '.join(known)}, not {value!r}")
    if options.topic is None and (options.begin or options.end):
        raise Misconfigured("--from, --to: they are a range of a --topic; for a file, write --samples")


def _columns(options: Options) -> Columns:
    if options.topic is None or options.time is not None:
        return Columns(options.time, options.label_time, UNITS[options.time_unit])
    return Columns(TIME, options.label_time or (None if options.label else LABEL_TIME))


def _judge(options: Options, grid: Grid) -> None:
    """See that the settings would take each value; a strategy may suit one model and not another."""
    for model, strategy in product(grid.models, grid.strategies):
        _judge_values(options, {"--models": model, "--strategies": strategy})
    for manager in grid.managers:
        _judge_values(options, {"--managers": manager})


def _judge_values(options: Options, values: dict[str, str]) -> None:
    given = [f"{PATHS[option]}={value}" for option, value in values.items()]
    try:
        settings.load(options.config, [*options.overrides, *given])
    except Misconfigured as error:
        raise Misconfigured(*map(_as_option, error.mistakes)) from None


def _as_option(mistake: str) -> str:
    """A mistake in a setting, told as one in the option that lists its values."""
    for option, path in PATHS.items():
        if mistake.startswith(f"{path}: "):
            return option + mistake.removeprefix(path).removesuffix(" (the command line)")
    return mistake


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
    """Values separated by commas, those within brackets left alone.

    >>> _listed("margin, committee(a, b)", "--strategies")
    ['margin', 'committee(a, b)']
    """
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == separator and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    found = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not found:
        raise Misconfigured(f"{option}: write at least one, several separated by {separator!r}")
    return found


def _source(
    options: Options, given: Settings, rules: InputRules, broker: Broker
) -> tuple[str, Iterable[Row], list[str]]:
    """The stream's name, its rows, and what to know about them."""
    if options.file is not None:
        return options.file.name, rows(options.file, options.label), []
    if options.stream is not None:
        return options.stream, bundled(options.stream), []
    topic = options.topic or ""
    begin, end = _bound("--from", options.begin), _bound("--to", options.end)

    def wanted(timestamp_ms: int) -> bool:
        return (begin is None or timestamp_ms >= begin) and (end is None or timestamp_ms < end)

    known = {} if options.label else broker.known_labels(given)
    records = broker.fetch(given, topic, wanted)
    found, left_out = recorded(records, rules, given.input.max_bytes, label=options.label, known=known)
    notes = [f"{left_out:,} of {len(records):,} records have no label and are left out"] if left_out else []
    if not options.label and left_out:
        notes.append(
            "the rest is what the service chose to ask for: compare settings on it, not with the stream"
        )
    if not found:
        where = f"at {options.label!r}" if options.label else f"in the topic {given.topics.examples}"
        raise Misconfigured(f"--topic: no sample of {topic} in this range has a label {where}")
    return topic, found, notes


def _bound(option: str, text: str | None) -> int | None:
    """A time, in milliseconds."""
    if text is None:
        return None
    seconds = moment(text)
    if seconds is None:
        raise Misconfigured(f"{option}: write a time such as 2026-01-31T12:00:00Z, not {text!r}")
    return round(seconds * 1000)
