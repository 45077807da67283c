"""The plan of a demo. Every mistake in the options is found before the demo begins."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

from stream_al import settings
from stream_al.datasets.form import FileForm, Noticed
from stream_al.datasets.rows import Row, Wanted
from stream_al.demo.annotator import punctual
from stream_al.errors import Misconfigured
from stream_al.service.engine_settings import input_rules
from stream_al.settings import Settings
from stream_al.simulate.people.crew import Crew, Profile, crew, parse_crew
from stream_al.simulate.stream import Columns, make_stream, named_rows

__all__ = ["DemoOptions", "DemoPlan", "prepare"]

SAMPLES = 20_000  # unless the user says how many
DESK_RATE = 20.0  # samples a second while a person labels, unless the user says how many
COLLEAGUE = "colleague: error=0.05, speed=600"
HOST = "127.0.0.1"
# The check of the setting judges the option.
PATHS = {
    "--budget": "budget.share",
    "--model": "model.definition",
    "--strategy": "strategy",
    "--port": "http.port",
    "--seed": "seed",
}


@dataclass(frozen=True)
class DemoOptions:
    """The options of the command, as given."""

    data: Path | None
    stream: str
    samples: int | None
    rate: float | None
    delay: float
    budget: float
    strategy: str | None
    model: str | None
    port: int
    seed: int
    label: str | None = None
    annotators: str | None = None
    desk: bool = False
    browser: bool = True
    form: FileForm = field(default_factory=FileForm)


@dataclass(frozen=True)
class DemoPlan:
    """What the demo plays.

    Attributes:
        name: The name of the stream.
        samples: The stream, features flat as the model gets them.
        rate: The most samples per second.
        crew: Who gives the labels.
        settings: The settings of the service.
        notes: What the user should know about the stream, in sentences.
        desk: Whether a person labels too, so that the demo goes on until it is interrupted.
    """

    name: str
    samples: Sequence[Row]
    rate: float
    crew: Crew
    settings: Settings
    notes: Sequence[str] = ()
    desk: bool = False


def prepare(options: DemoOptions, broker_port: int, snapshots: Path) -> DemoPlan:
    """Check the options and read the stream.

    Raises:
        Misconfigured: What to write instead.
    """
    if options.samples is not None and options.samples < 1:
        raise Misconfigured(f"--samples: write a number of at least 1, not {options.samples}")
    if options.rate is not None and not 0 < options.rate < inf:
        raise Misconfigured(f"--rate: write a number of samples per second above 0, not {options.rate:g}")
    if not 0 <= options.delay < inf:
        raise Misconfigured(f"--delay: write a number of seconds, 0 or more, not {options.delay:g}")
    profiles = _profiles(options)
    given = _settings(options, broker_port, snapshots)
    noticed = Noticed()
    # The demo counts its samples itself, so the file needs no ids.
    wanted = Wanted(input_rules(given), options.label, form=options.form)
    name, recorded = named_rows(options.data, options.stream, wanted, noticed)
    stream = make_stream(name, islice(recorded, options.samples or SAMPLES), Columns())
    notes = (*stream.remarks(), *noticed.sentences())
    rate = options.rate or (DESK_RATE if options.desk else inf)
    team = crew(profiles, stream.classes, given.seed)
    return DemoPlan(name, stream.rows, rate, team, given, notes, options.desk)


def _profiles(options: DemoOptions) -> Sequence[Profile]:
    if options.annotators is None:
        if options.desk and not options.delay:
            return parse_crew(COLLEAGUE)
        return (punctual(options.delay),)
    if options.delay:
        raise Misconfigured("--delay: write delay=... of each annotator in --annotators instead")
    return parse_crew(options.annotators)


def _settings(options: DemoOptions, broker_port: int, snapshots: Path) -> Settings:
    values: dict[str, Any] = {
        "kafka.bootstrap_servers": f"{HOST}:{broker_port}",
        "kafka.idempotent": "false",
        "kafka.session_timeout_seconds": 3,  # a group on the embedded broker starts after most of this time
        "topics.predictions": "predictions",
        "topics.partitions": 1,
        "limits.poll_seconds": 0.01,  # the embedded broker does not wake a consumer when records arrive
        "snapshots.directory": snapshots,
        "log.level": "warning",
    }
    chosen = {
        "--budget": options.budget,
        "--model": options.model,
        "--strategy": options.strategy,
        "--port": options.port,
        "--seed": options.seed,
    }
    values |= {PATHS[option]: value for option, value in chosen.items() if value is not None}
    with settings.option_mistakes(PATHS):
        # Neither a file nor the environment is read, so that a demo gives the same everywhere.
        written = [f"{path}={value}" for path, value in values.items()]
        given = settings.load(overrides=written, environ={}, imports=True)
    free = given.http.model_copy(update={"port": _free(given.http.port)})
    return given.model_copy(update={"http": free})


def _free(port: int) -> int:
    """The port, or 0 (any free port) if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return 0
    return port
