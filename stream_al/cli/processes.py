"""Commands that run something: the service, the demo, a simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream_al import settings
from stream_al.cli import broker
from stream_al.cli.options import AsJson, ConfigFile, Overrides

__all__ = ["cli"]

cli = typer.Typer()


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
    from stream_al.service.engine_settings import input_rules  # noqa: PLC0415
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
        perform(options, input_rules, broker, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
