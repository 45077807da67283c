"""Commands that create topics, read them, or write to them."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from stream_al import settings
from stream_al.cli.broker import bar, run, say, survey
from stream_al.cli.imports import import_file
from stream_al.cli.options import (
    FORMATS,
    AsJson,
    ConfigFile,
    IdPlace,
    LabelPlace,
    Overrides,
    with_file_form,
)
from stream_al.datasets.form import FileForm
from stream_al.errors import Misconfigured

if TYPE_CHECKING:
    from stream_al.service.broker.protocols import Broker
    from stream_al.service.maintenance import CorrectedLabel

__all__ = ["examples_cli", "labels_cli", "offsets_cli", "topics_cli"]

topics_cli = typer.Typer(help="The topics on the broker.", no_args_is_help=True)
examples_cli = typer.Typer(help="The labelled dataset.", no_args_is_help=True)
labels_cli = typer.Typer(help="Labels.", no_args_is_help=True)
offsets_cli = typer.Typer(help="The offsets of the service.", no_args_is_help=True)


@topics_cli.command("create")
def topics_create(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Create the topics that do not exist."""
    from stream_al.service import maintenance  # noqa: PLC0415
    from stream_al.service.maintenance.doctor import misspelt_topic  # noqa: PLC0415

    given = settings.load(config, overrides or [])
    created, there = run(given, lambda broker: maintenance.create_topics(given, broker))
    if as_json:
        typer.echo(json.dumps({"created": created, "existing": there}))
        return
    for topic in created:
        typer.echo(f"created {topic}")
    for topic in there:
        typer.echo(f"exists  {topic}")
    if given.topics.samples in created:
        for finding in survey(given, partial(misspelt_topic, given)):
            say(f"{given.topics.samples} is new, and {finding.text}")


@examples_cli.command("export")
def examples_export(
    config: ConfigFile = None,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write. Default: standard output.")
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="jsonl, csv or parquet. A CSV marks a text that looks like a number or a formula with an "
            "apostrophe; the import takes it off.",
        ),
    ] = "jsonl",
) -> None:
    """Write the labelled dataset, one row for each labelled sample."""
    from stream_al.datasets.export import FORMATS  # noqa: PLC0415
    from stream_al.service import maintenance  # noqa: PLC0415

    if form not in FORMATS:
        raise Misconfigured(f"--format: write {', '.join(FORMATS)}, not {form!r}")
    given = settings.load(config, overrides or [], imports=True)
    binary = form == "parquet"
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise Misconfigured(f"--out: name a file in a directory that exists, not {str(out)!r}")

    async def export(broker: Broker) -> int:
        with bar("exporting") as progress:
            if out is None:
                file: IO[Any] = sys.stdout.buffer if binary else sys.stdout
                return await maintenance.export_examples(given, broker, file, form, progress)
            text: dict[str, str] = {} if binary else {"encoding": "utf-8", "newline": ""}
            with out.open("wb" if binary else "w", **text) as file:  # type: ignore[call-overload] # two kinds
                return await maintenance.export_examples(given, broker, file, form, progress)

    number = run(given, export)
    say(f"{number} examples written")


@labels_cli.command("import")
@with_file_form
def labels_import(  # noqa: PLR0913 - one argument an option
    file: Annotated[Path, typer.Argument(help=FORMATS)],
    config: ConfigFile = None,
    overrides: Overrides = None,
    label: LabelPlace = None,
    identity: IdPlace = None,
    check: Annotated[
        bool,
        typer.Option(
            help="Before: compare the features with those of the newest samples. After: learn all examples "
            "as a replica does, to say what became of the rows."
        ),
    ] = True,
    as_json: AsJson = False,
    *,
    form: FileForm,
) -> None:
    """Teach the model the labelled rows of a file.

    Rows are read as the service reads records: id, features, payload, include and exclude are those of the
    settings (input.*). A row without an id gets one from the content of the file and its number, so a
    repeated import changes nothing. The command ends with 1 if the model refused every row.
    """
    given = settings.load(config, overrides or [])
    report = import_file(given, file, label, identity, form, check=check)
    if as_json:
        typer.echo(json.dumps(report.record()))
    else:
        for line in report.sentences():
            say(line)
    if report.is_in_vain:
        raise typer.Exit(1)


@labels_cli.command("correct")
def labels_correct(
    sample_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the query.")],
    label: Annotated[str, typer.Argument(metavar="LABEL", help="The right class.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    annotator: Annotated[str | None, typer.Option(help="Who decides.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let another label count for a sample that was labelled wrongly.

    The replicas build their models anew as if this label had been given at once. The log keeps both.
    """
    from stream_al.service import maintenance  # noqa: PLC0415

    given = settings.load(config, overrides or [])

    async def correct(broker: Broker) -> CorrectedLabel:
        with bar("reading") as progress:
            return await maintenance.correct_label(given, broker, sample_id, label, annotator, progress)

    found = run(given, correct)
    if as_json:
        typer.echo(json.dumps({"id": sample_id, **found._asdict()}))
    elif found.written:
        say(f"corrected: {json.dumps(found.label)} counts for {sample_id}, not {json.dumps(found.former)}")
    else:
        say(f"{json.dumps(found.label)} counts for {sample_id} already; nothing was written")


@offsets_cli.command("reset")
def offsets_reset(
    to: Annotated[str, typer.Option("--to", help="earliest or latest.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    topic: Annotated[
        str | None, typer.Option(help="The topic of the samples or of the labels. Default: the samples.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let the service continue at another record of a topic. The service must be stopped."""
    from stream_al.service import maintenance  # noqa: PLC0415

    if to not in ("earliest", "latest"):
        raise Misconfigured(f"--to: write earliest or latest, not {to!r}")
    given = settings.load(config, overrides or [])
    name = topic or given.topics.samples
    offsets = run(given, lambda broker: maintenance.reset_offsets(given, broker, name, to))
    if as_json:
        typer.echo(json.dumps({"topic": name, "offsets": offsets}))
        return
    for partition, offset in offsets.items():
        typer.echo(f"{name}-{partition} continues at {offset}")
