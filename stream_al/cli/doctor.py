"""The command that examines a stream before a label is paid for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from stream_al import settings
from stream_al.cli.broker import survey
from stream_al.cli.options import FORMATS, AsJson, ConfigFile, LabelPlace, Overrides, with_file_form
from stream_al.datasets.form import FileForm

if TYPE_CHECKING:
    from stream_al.engine.doctor.report import Report
    from stream_al.service.broker.kafka.survey import Survey
    from stream_al.settings import Settings

__all__ = ["cli"]

cli = typer.Typer()

NARROWEST = 110  # columns of what is printed where there is no terminal
COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}
COLUMNS = ("field", "types", "distinct", "missing", "example", "looks like", "the model takes it as")


@cli.command()
@with_file_form
def doctor(  # noqa: PLR0913 - one argument an option
    config: ConfigFile = None,
    overrides: Overrides = None,
    records: Annotated[
        int, typer.Option("--records", "-n", min=1, max=10_000, help="Number of samples to examine.")
    ] = 500,
    newest: Annotated[
        bool, typer.Option("--newest", help="Examine the newest samples instead of the first ones.")
    ] = False,
    file: Annotated[Path | None, typer.Option(help=f"Examine the labelled rows of a file. {FORMATS}")] = None,
    label: LabelPlace = None,
    as_json: AsJson = False,
    *,
    form: FileForm,
) -> None:
    """Examine topics, samples, labels and the model, and say what to do before a label is paid for.

    It reads by the rules of the settings, joins no consumer group and writes nothing, so a running service
    does not notice it. The exit code is 1 if a finding is an error, and 0 without one.
    """
    given = settings.load(config, overrides or [], imports=True)
    report = _examined(given, records, file, label, form, newest=newest)
    if as_json:
        typer.echo(json.dumps(report.describe()))
    else:
        _print(report)
    if report.has_errors:
        raise typer.Exit(1)


def _examined(
    given: Settings, number: int, file: Path | None, label: str | None, form: FileForm, *, newest: bool
) -> Report:
    from stream_al.service.maintenance.doctor import (  # noqa: PLC0415 - `--help` need not load River
        examine,
        examine_file,
    )
    from stream_al.service.timing.clock import SYSTEM_CLOCK  # noqa: PLC0415

    if file is not None:
        return examine_file(given, file, label=label, form=form, number=number)

    async def work(cluster: Survey) -> Report:
        return await examine(given, cluster, number=number, newest=newest, now_ms=SYSTEM_CLOCK.wall_ms())

    return survey(given, work)


def _print(report: Report) -> None:
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, width=max(NARROWEST, out.width))
    found = report.describe()
    out.print(Text(f"Examined: {found['source']}"))
    if found["topics"]:
        out.print(_topics(found))
    if found["records"]["read"] or found["records"]["unread"]:
        out.print(Text(_read(found["records"])))
        out.print(_fields(found["records"]["fields"]))
    if found["labels"] and found["labels"]["classes"]:
        classes = [f"{one['class']} ({one['type']}, {one['labels']})" for one in found["labels"]["classes"]]
        out.print(Text(f"Labels: {', '.join(classes)}"))
    if not found["findings"]:
        out.print(Text("Nothing to report."))
    for one in found["findings"]:
        line = Text.assemble(
            (f"{one['severity']:8}", COLOURS[one["severity"]]), f"{one['about']}: {one['text']}"
        )
        out.print(line, soft_wrap=True)


def _topics(found: dict[str, Any]) -> Table:
    table = Table(
        Column("topic", overflow="fold"),
        "partitions",
        "cleanup",
        "retention",
        "compression",
        "timestamps",
        "records waiting",
    )
    lags = {group["topic"]: group["lag"] for group in found["groups"]}
    for topic in found["topics"]:
        config, lag = topic["config"], lags.get(topic["name"])
        kept = config.get("retention.ms") if "delete" in config.get("cleanup.policy", "") else None
        absent = "cannot be used" if topic["problem"] else "does not exist"
        cells = [
            topic["name"],
            str(topic["partitions"]) if topic["exists"] else absent,
            config.get("cleanup.policy", ""),
            "" if kept is None else "for ever" if kept == "-1" else f"{int(kept) / 3_600_000:.0f} h",
            config.get("compression.type", ""),
            config.get("message.timestamp.type", ""),
            "" if topic["name"] not in lags else "not begun" if lag is None else str(lag),
        ]
        table.add_row(*map(Text, cells))
    return table


def _read(records: dict[str, Any]) -> str:
    unread = ", ".join(f"{one['records']} not ({reason})" for reason, one in records["unread"].items())
    ids, times = records["ids"], records["times"]
    sources = ", ".join(ids["from"])
    parts = [
        f"{records['read']} read{', ' if unread else ''}{unread}",
        f"{ids['distinct']} ids from {sources}",
    ]
    if times and sources != "the file":
        parts.append(f"written from {times['first']} to {times['last']}")
    return f"Records: {'; '.join(parts)}"


def _fields(fields: list[dict[str, Any]]) -> Table:
    table = Table(*COLUMNS)
    for one in fields:
        types = ", ".join(f"{kind} {number}" for kind, number in one["types"].items())
        many = f" ({one['features']})" if one["features"] > 1 else ""
        cells = [
            one["name"] + many,
            types,
            str(one["distinct"]),
            f"{one['missing']:.0%}",
            one["example"],
            one["looks_like"],
            one["used_as"] or "",
        ]
        table.add_row(*map(Text, cells))
    return table
