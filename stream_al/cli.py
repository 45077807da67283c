"""The command line.

Results go to standard output, progress and logs to standard error. An error is one line on standard
error; the exit code is 2 for what the user can mend (usage, settings) and 1 for what failed. A traceback
is a bug.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream_al import __version__, settings
from stream_al.errors import Misconfigured, StreamAlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_al.service.log import Log, Record
    from stream_al.settings import Settings

__all__ = ["cli", "main"]

T = TypeVar("T")

cli = typer.Typer(
    name="stream-al",
    help="Ask for the labels of a stream that are worth paying for, and learn from the answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_cli = typer.Typer(help="Look at the settings.", no_args_is_help=True)
topics_cli = typer.Typer(help="The topics on the broker.", no_args_is_help=True)
examples_cli = typer.Typer(help="The labelled dataset.", no_args_is_help=True)
labels_cli = typer.Typer(help="Labels from elsewhere.", no_args_is_help=True)
offsets_cli = typer.Typer(help="Where the service has come to.", no_args_is_help=True)
dlq_cli = typer.Typer(help="Dead letters: records that could not be used.", no_args_is_help=True)
model_cli = typer.Typer(help="The model.", no_args_is_help=True)
contracts_cli = typer.Typer(help="Messages, topics and HTTP as schemas.", no_args_is_help=True)
for name, group in {
    "config": config_cli,
    "topics": topics_cli,
    "examples": examples_cli,
    "labels": labels_cli,
    "offsets": offsets_cli,
    "dlq": dlq_cli,
    "model": model_cli,
    "contracts": contracts_cli,
}.items():
    cli.add_typer(group, name=name)

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="YAML file with settings.", envvar="STREAM_AL_CONFIG", show_envvar=True
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="PATH=VALUE", help="One setting, such as budget.share=0.1; repeatable."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
DeadTopic = Annotated[str | None, typer.Option("--topic", help="Whose dead letters; default: the samples'.")]


def main() -> None:
    """Run the command line; turn our errors into one line and an exit code."""
    try:
        cli()
    except StreamAlError as error:
        for line in str(error).splitlines():
            print(f"stream-al: {line}", file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        sys.stderr.close()
        sys.exit(0)


@cli.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Options of the command as a whole."""
    if version:
        typer.echo(f"stream-al {__version__}")
        raise typer.Exit


@cli.command()
def serve(
    config: ConfigFile = None,
    overrides: Overrides = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Short for --set kafka.bootstrap_servers=...")
    ] = None,
) -> None:
    """Run the service: select samples, join labels, learn, answer HTTP."""
    from stream_al.service.serve import serve as run  # noqa: PLC0415 - `--help` need not load River

    short = [f"kafka.bootstrap_servers={bootstrap_servers}"] if bootstrap_servers else []
    run(settings.load(config, [*short, *(overrides or [])]))


@cli.command()
def demo(  # noqa: PLR0913 - one argument an option
    data: Annotated[
        Path | None, typer.Option(help="A recorded stream, CSV (label last) or JSON lines, .gz too.")
    ] = None,
    stream: Annotated[str, typer.Option(help="Without --data: shuttle or segments.")] = "shuttle",
    samples: Annotated[
        int | None, typer.Option(help="Samples to play.", show_default="all, up to 20,000")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Samples a second.", show_default="as fast as it goes")
    ] = None,
    budget: Annotated[float, typer.Option(help="Share of the samples to ask labels for.")] = 0.05,
    delay: Annotated[
        float, typer.Option(help="Seconds that the annotator takes for a label; 0 answers at once.")
    ] = 0.0,
    model: Annotated[str | None, typer.Option(help="A River expression, or module:factory.")] = None,
    strategy: Annotated[str | None, typer.Option(help="The query strategy.")] = None,
    port: Annotated[int, typer.Option(help="Port for HTTP; a free one when it is taken, or 0.")] = 8080,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show it all on this machine: a broker, a stream, the service and a simulated annotator."""
    from stream_al.demo.command import perform  # noqa: PLC0415
    from stream_al.demo.plan import Options  # noqa: PLC0415

    options = Options(data, stream, samples, rate, delay, budget, strategy, model, port, seed)
    try:
        perform(options, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@cli.command()
def simulate(  # noqa: PLR0913 - one argument an option
    file: Annotated[
        Path | None, typer.Argument(help="A recorded stream: CSV, JSON lines or Parquet, .gz too.")
    ] = None,
    stream: Annotated[
        str | None, typer.Option(help="One that River brings along: shuttle or segments.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="A topic on the broker that the settings name.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First time of the topic's range, ISO 8601.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End of that range.")] = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="Column, or member of the record, that holds the label.",
            show_default="the last column; of a topic, the label in the examples",
        ),
    ] = None,
    strategies: Annotated[str | None, typer.Option(help="Query strategies, such as margin,entropy.")] = None,
    managers: Annotated[str | None, typer.Option(help="Budget managers.")] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--models", "--model", help="River expressions, separated by semicolons; repeatable."),
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="Shares of the samples, such as 0.01,0.05.")] = None,
    delays: Annotated[
        str,
        typer.Option(
            help="When labels come: 500 (samples later), 30s, 10m, 2h, 3d, or column (as recorded)."
        ),
    ] = "0",
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="When each sample came.")] = None,
    label_time: Annotated[str | None, typer.Option(metavar="COLUMN", help="When each label came.")] = None,
    time_unit: Annotated[str, typer.Option(help="What numbers in these columns count: s, m, h or d.")] = "s",
    annotator_error: Annotated[float, typer.Option(help="Share of the answers that are wrong.")] = 0.0,
    warm_start: Annotated[int, typer.Option(help="Samples labelled and learned beforehand.")] = 0,
    samples: Annotated[int | None, typer.Option(help="Samples to use.", show_default="all")] = None,
    seeds: Annotated[int, typer.Option(help="Repetitions, each with other random choices.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Runs at once, each in its process.")] = 1,
    measure: Annotated[str, typer.Option(help="What to choose by: accuracy, kappa or g_mean.")] = "accuracy",
    report: Annotated[Path | None, typer.Option(help="HTML file to write, with learning curves.")] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Tell what labels would have cost on a recorded stream, and what they would have been worth.

    What is not given comes from the settings: strategy, budget manager, share and model.
    """
    from stream_al.service.select import input_rules  # noqa: PLC0415
    from stream_al.simulate.command import perform  # noqa: PLC0415
    from stream_al.simulate.plan import Options  # noqa: PLC0415

    options = Options(
        file=file,
        stream=stream,
        topic=topic,
        begin=begin,
        end=end,
        label=label,
        time=time,
        label_time=label_time,
        time_unit=time_unit,
        strategies=strategies,
        managers=managers,
        models=tuple(models or ()),
        budgets=budgets,
        delays=delays,
        annotator_error=annotator_error,
        warm_start=warm_start,
        samples=samples,
        seeds=seeds,
        jobs=jobs,
        measure=measure,
        report=report,
        config=config,
        overrides=tuple(overrides or ()),
    )
    try:
        perform(options, input_rules, _fetch, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@config_cli.command("check")
def config_check(config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Check the settings; list every mistake."""
    settings.load(config, overrides or [])
    typer.echo("the settings are good")


@config_cli.command("show")
def config_show(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print the settings in force, secrets hidden."""
    values = settings.effective(settings.load(config, overrides or []))
    typer.echo(json.dumps(values, indent=2) if as_json else yaml.safe_dump(values, sort_keys=False).rstrip())


@topics_cli.command("create")
def topics_create(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Create the topics that do not exist yet."""
    from stream_al.service import tools  # noqa: PLC0415

    given = settings.load(config, overrides or [])
    created, there = _run(given, lambda log: tools.create_topics(given, log))
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
        Path | None, typer.Option("--out", "-o", help="File to write; default: standard output.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "csv",
) -> None:
    """Write the labelled dataset, one row for every sample that was labelled."""
    from stream_al.service import tools  # noqa: PLC0415

    if form not in ("csv", "jsonl"):
        raise Misconfigured(f"--format: write csv or jsonl, not {form!r}")
    given = settings.load(config, overrides or [])

    async def export(log: Log) -> int:
        with _bar("exporting") as progress:
            if out is None:
                return await tools.export_examples(given, log, sys.stdout, form, progress)
            with out.open("w", encoding="utf-8", newline="") as file:
                return await tools.export_examples(given, log, file, form, progress)

    number = _run(given, export)
    _say(f"{number} examples written")


@labels_cli.command("import")
def labels_import(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines, .gz too.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    label: Annotated[str | None, typer.Option(help="Column of the label; default: the last one.")] = None,
) -> None:
    """Seed the model from a file that is labelled already."""
    from stream_al.service import tools  # noqa: PLC0415
    from stream_al.simulate.recorded import rows  # noqa: PLC0415

    given = settings.load(config, overrides or [])
    total = sum(1 for _ in rows(file, label))  # also finds every mistake in the file before anything is sent
    source = hashlib.blake2b(file.read_bytes(), digest_size=6).hexdigest()

    async def seed(log: Log) -> int:
        with _bar("importing") as progress:
            return await tools.import_labels(
                given, log, rows(file, label), source, lambda sent: progress(sent, total)
            )

    _say(f"{_run(given, seed)} examples imported")


@offsets_cli.command("reset")
def offsets_reset(
    to: Annotated[str, typer.Option("--to", help="earliest or latest.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    topic: Annotated[str | None, typer.Option(help="Samples or labels; default: the samples.")] = None,
) -> None:
    """Let the service go on at another sample or label; it must be stopped."""
    from stream_al.service import tools  # noqa: PLC0415

    if to not in ("earliest", "latest"):
        raise Misconfigured(f"--to: write earliest or latest, not {to!r}")
    given = settings.load(config, overrides or [])
    name = topic or given.topics.samples
    for partition, offset in _run(given, lambda log: tools.reset_offsets(given, log, name, to)).items():
        typer.echo(f"{name}-{partition} goes on at {offset}")


@dlq_cli.command("list")
def dlq_list(
    config: ConfigFile = None,
    overrides: Overrides = None,
    topic: DeadTopic = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters: where each came from, and why."""
    from stream_al.service import tools  # noqa: PLC0415

    given = settings.load(config, overrides or [])

    async def show(log: Log) -> int:
        number = 0
        with _bar("reading") as progress:
            async for letter in tools.letters(given, log, topic or given.topics.samples, progress):
                number += 1
                typer.echo(json.dumps(letter) if as_json else _letter_line(letter))
        return number

    _say(f"{_run(given, show)} dead letters")


@dlq_cli.command("replay")
def dlq_replay(
    config: ConfigFile = None,
    overrides: Overrides = None,
    topic: DeadTopic = None,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason, such as no_id.")] = None,
) -> None:
    """Send dead letters back onto their topic, each of them once."""
    from stream_al.service import tools  # noqa: PLC0415

    given = settings.load(config, overrides or [])

    async def again(log: Log) -> int:
        with _bar("replaying") as progress:
            return await tools.replay(given, log, topic or given.topics.samples, reason, progress)

    _say(f"{_run(given, again)} records replayed")


@model_cli.command("show")
def model_show(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print the model as it stands at the end of the examples."""
    _model(config, overrides, as_json=as_json, rebuild=False)


@model_cli.command("rebuild")
def model_rebuild(
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    from_here: Annotated[
        bool,
        typer.Option(
            "--from-here", help="Do without examples that the log no longer holds, on all replicas."
        ),
    ] = False,
) -> None:
    """Forget the snapshots, learn all examples anew, write a snapshot."""
    _model(config, overrides, as_json=as_json, rebuild=True, from_here=from_here)


@contracts_cli.command("show")
def contracts_show(
    name: Annotated[str, typer.Argument(help="asyncapi, openapi, or a message such as query.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Print one: AsyncAPI of the topics, OpenAPI of HTTP, or the JSON Schema of a message."""
    from stream_al import contracts  # noqa: PLC0415

    if name not in contracts.NAMES:
        raise Misconfigured(f"there is no contract {name!r}; write one of {', '.join(contracts.NAMES)}")
    typer.echo(contracts.show(name, settings.load(config, overrides or [])), nl=False)


@contracts_cli.command("write")
def contracts_write(
    directory: Annotated[Path, typer.Argument(help="Where to; made if it is not there.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Write all of them into a directory."""
    from stream_al import contracts  # noqa: PLC0415

    for name, text in contracts.files(settings.load(config, overrides or [])).items():
        path = directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Misconfigured(
                f"{path} cannot be written: {error.strerror}; name another directory"
            ) from None
        typer.echo(f"wrote {path}")


def _model(
    config: Path | None, overrides: list[str] | None, *, as_json: bool, rebuild: bool, from_here: bool = False
) -> None:
    from stream_al.service import tools  # noqa: PLC0415
    from stream_al.service.status import describe_model  # noqa: PLC0415

    given = settings.load(config, overrides or [])

    async def work(log: Log) -> Any:
        with _bar("learning") as progress:
            return await tools.model(given, log, rebuild=rebuild, progress=progress, from_here=from_here)

    facts = describe_model(given.model.name, _run(given, work))
    typer.echo(json.dumps(facts) if as_json else yaml.safe_dump(facts, sort_keys=False).rstrip())


def _fetch(given: Settings, topic: str, wanted: Callable[[int], bool]) -> list[Record]:
    """The records of a topic whose timestamp is wanted."""
    from stream_al.service import tools  # noqa: PLC0415

    async def read(log: Log) -> list[Record]:
        async with tools.opened(log, topic):
            found = tools.everything(log, topic, lambda done, total: None)
            return [record async for record in found if wanted(record.timestamp_ms)]

    return _run(given, read)


def _run(given: Settings, work: Callable[[Log], Coroutine[Any, Any, T]]) -> T:
    """Do something with the broker that the settings name."""
    from stream_al.logs import configure  # noqa: PLC0415
    from stream_al.service.kafka import Kafka  # noqa: PLC0415

    configure(given)

    async def run() -> T:
        return await work(Kafka(given))

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, where someone is watching."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _letter_line(letter: dict[str, Any]) -> str:
    place = f"{letter.get('origin_topic')}-{letter.get('origin_partition')}@{letter.get('origin_offset')}"
    return f"{place}  {letter.get('origin_exception')}: {letter.get('origin_message')}"
