"""Commands that create topics, read them, or write to them."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_al import settings
from stream_al.cli.broker import bar, run, say
from stream_al.cli.options import AsJson, ConfigFile, Overrides
from stream_al.errors import Misconfigured

if TYPE_CHECKING:
    from stream_al.service.broker.protocols import Broker

__all__ = ["examples_cli", "labels_cli", "offsets_cli", "topics_cli"]

topics_cli = typer.Typer(help="The topics on the broker.", no_args_is_help=True)
examples_cli = typer.Typer(help="The labelled dataset.", no_args_is_help=True)
labels_cli = typer.Typer(help="Labels from files.", no_args_is_help=True)
offsets_cli = typer.Typer(help="The offsets of the service.", no_args_is_help=True)


@topics_cli.command("create")
def topics_create(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Create the topics that do not exist."""
    from stream_al.service import maintenance  # noqa: PLC0415

    given = settings.load(config, overrides or [])
    created, there = run(given, lambda broker: maintenance.create_topics(given, broker))
    if as_json:
        typer.echo(json.dumps({"created": created, "existing": there}))
        return
    for topic in created:
        typer.echo(f"created {topic}")
    for topic in there:
        typer.echo(f"exists  {topic}")


@examples_cli.command("export")
def examples_export(
    config: ConfigFile = None,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write. Default: standard output.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "csv",
) -> None:
    """Write the labelled dataset, one row for each labelled sample."""
    from stream_al.service import maintenance  # noqa: PLC0415

    if form not in ("csv", "jsonl"):
        raise Misconfigured(f"--format: write csv or jsonl, not {form!r}")
    given = settings.load(config, overrides or [])

    async def export(broker: Broker) -> int:
        with bar("exporting") as progress:
            if out is None:
                return await maintenance.export_examples(given, broker, sys.stdout, form, progress)
            with out.open("w", encoding="utf-8", newline="") as file:
                return await maintenance.export_examples(given, broker, file, form, progress)

    number = run(given, export)
    say(f"{number} examples written")


@labels_cli.command("import")
def labels_import(
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines or Parquet; also .gz.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    label: Annotated[str | None, typer.Option(help="Column of the label. Default: the last one.")] = None,
) -> None:
    """Teach the model the labelled rows of a file."""
    from stream_al.datasets.rows import rows  # noqa: PLC0415
    from stream_al.service import maintenance  # noqa: PLC0415

    given = settings.load(config, overrides or [])
    total = sum(1 for _ in rows(file, label))  # finds every mistake in the file before anything is sent
    source = hashlib.blake2b(file.read_bytes(), digest_size=6).hexdigest()

    async def seed(broker: Broker) -> int:
        with bar("importing") as progress:
            return await maintenance.import_labels(
                given, broker, rows(file, label), source, lambda sent: progress(sent, total)
            )

    say(f"{run(given, seed)} examples imported")


@offsets_cli.command("reset")
def offsets_reset(
    to: Annotated[str, typer.Option("--to", help="earliest or latest.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    topic: Annotated[
        str | None, typer.Option(help="The topic of the samples or of the labels. Default: the samples.")
    ] = None,
) -> None:
    """Let the service continue at another record of a topic. The service must be stopped."""
    from stream_al.service import maintenance  # noqa: PLC0415

    if to not in ("earliest", "latest"):
        raise Misconfigured(f"--to: write earliest or latest, not {to!r}")
    given = settings.load(config, overrides or [])
    name = topic or given.topics.samples
    for partition, offset in run(
        given, lambda broker: maintenance.reset_offsets(given, broker, name, to)
    ).items():
        typer.echo(f"{name}-{partition} continues at {offset}")
