"""The plan: what a demo is to show; every mistake in the options is found before it begins."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

from stream_al import settings
from stream_al.datasets.rows import Row, rows
from stream_al.engine.samples.sample import flat_features
from stream_al.errors import BadMessage, Misconfigured
from stream_al.service.engine_settings import input_rules
from stream_al.settings import Settings
from stream_al.simulate.stream import bundled

__all__ = ["Options", "Plan", "prepare"]

SAMPLES = 20_000  # unless the user says how many
HOST = "127.0.0.1"
# Where an option is a setting, the setting's own check judges it.
PATHS = {
    "--budget": "budget.share",
    "--model": "model.definition",
    "--strategy": "strategy",
    "--port": "http.port",
    "--seed": "seed",
}


@dataclass(frozen=True)
class Options:
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


@dataclass(frozen=True)
class Plan:
    """What to show.

    Attributes:
        name: The stream's name.
        samples: The stream, features flat as the model sees them.
        rate: Samples a second at most.
        delay: Seconds from query to label.
        settings: Of the service.
    """

    name: str
    samples: list[Row]
    rate: float
    delay: float
    settings: Settings


def prepare(options: Options, broker_port: int, snapshots: Path) -> Plan:
    """Check the options and read the stream.

    Raises:
        Misconfigured: What to write instead.
    """
    if options.samples is not None and options.samples < 1:
        raise Misconfigured(f"--samples: write a number of at least 1, not {options.samples}")
    if options.rate is not None and not 0 < options.rate < inf:
        raise Misconfigured(f"--rate: write a number of samples a second above 0, not {options.rate:g}")
    if not 0 <= options.delay < inf:
        raise Misconfigured(f"--delay: write a number of seconds, 0 or more, not {options.delay:g}")
    given = _settings(options, broker_port, snapshots)
    name, recorded = _stream(options)
    samples = list(_flat(islice(recorded, options.samples or SAMPLES), given))
    if not samples:
        raise Misconfigured(f"{name}: it holds no sample with a label")
    return Plan(name, samples, options.rate or inf, options.delay, given)


def _settings(options: Options, broker_port: int, snapshots: Path) -> Settings:
    values: dict[str, Any] = {
        "kafka.bootstrap_servers": f"{HOST}:{broker_port}",
        "kafka.idempotent": "false",
        "kafka.session_timeout_seconds": 3,  # the embedded broker lets a group wait for most of it
        "topics.predictions": "predictions",
        "topics.partitions": 1,
        "limits.poll_seconds": 0.01,  # nor does it wake who waits for records
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
    try:
        # A demo shows the same everywhere: neither file nor environment has a say in it.
        given = settings.load(overrides=[f"{path}={value}" for path, value in values.items()], environ={})
    except Misconfigured as error:
        raise Misconfigured(*map(_as_option, error.mistakes)) from None
    free = given.http.model_copy(update={"port": _free(given.http.port)})
    return given.model_copy(update={"http": free})


def _as_option(mistake: str) -> str:
    """A mistake in a setting, told as one in the option that set it."""
    for option, path in PATHS.items():
        if mistake.startswith(f"{path}: "):
            return option + mistake.removeprefix(path).removesuffix(" (the command line)")
    return mistake


def _free(port: int) -> int:
    """The port, or 0 (any) when someone else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return 0
    return port


def _stream(options: Options) -> tuple[str, Iterator[Row]]:
    if options.data is not None:
        return options.data.name, rows(options.data)
    return options.stream, bundled(options.stream)


def _flat(recorded: Iterable[Row], given: Settings) -> Iterator[Row]:
    rules = input_rules(given)
    for number, row in enumerate(recorded, 1):
        try:
            yield replace(row, features=dict(flat_features(row.features, rules)))
        except BadMessage as error:
            raise Misconfigured(f"sample {number}: {error}") from None
