"""Commands that run the service, the demo or a simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream_al import settings
from stream_al.cli import broker
from stream_al.cli.options import (
    FORMATS,
    AsJson,
    ConfigFile,
    Crew,
    IdPlace,
    LabelPlace,
    Overrides,
    with_file_form,
)
from stream_al.datasets.form import FileForm

__all__ = ["cli"]

cli = typer.Typer()


@cli.command()
def serve(
    config: ConfigFile = None,
    overrides: Overrides = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="The same as --set kafka.bootstrap_servers=...")
    ] = None,
) -> None:
    """Run the service: select samples, join labels, learn, serve HTTP."""
    from stream_al.service.serve import serve as run  # noqa: PLC0415 - `--help` need not load River

    short = [f"kafka.bootstrap_servers={bootstrap_servers}"] if bootstrap_servers else []
    run(settings.load(config, [*short, *(overrides or [])], imports=True))


@cli.command("label-studio")
def label_studio(config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Connect Label Studio: queries become tasks there, annotations become labels.

    label_studio.url names the server, and STREAM_AL_LABEL_STUDIO__TOKEN or label_studio.token_file the token.
    The broker and the topics are those of the service. Needs the extra labelstudio.
    """
    from stream_al.label_studio.command import run  # noqa: PLC0415

    run(settings.load(config, overrides or []))


@cli.command()
@with_file_form
def demo(  # noqa: PLR0913 - one argument an option
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"A recorded stream: {FORMATS}"),
    ] = None,
    stream: Annotated[
        str, typer.Option(help="A dataset of River, without --data: shuttle or segments.")
    ] = "shuttle",
    samples: Annotated[
        int | None, typer.Option(help="Number of samples to play.", show_default="all, up to 20,000")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Samples per second.", show_default="as fast as the service")
    ] = None,
    budget: Annotated[float, typer.Option(help="Share of the samples whose label may be bought.")] = 0.05,
    delay: Annotated[float, typer.Option(help="Seconds from a query to its label.")] = 0.0,
    annotators: Crew = None,
    model: Annotated[str | None, typer.Option(help="A River expression, or module:factory.")] = None,
    strategy: Annotated[str | None, typer.Option(help="The query strategy.")] = None,
    port: Annotated[int, typer.Option(help="Port for HTTP. If it is taken or 0, a free one is used.")] = 8080,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    label: LabelPlace = None,
    desk: Annotated[
        bool, typer.Option("--desk", help="Open the labelling desk, and label with a simulated colleague.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether --desk opens a browser.")
    ] = True,
    as_json: AsJson = False,
    *,
    form: FileForm,
) -> None:
    """Run everything on this machine: a broker, a stream, the service and a simulated annotator."""
    from stream_al.demo.command import perform  # noqa: PLC0415
    from stream_al.demo.plan import DemoOptions  # noqa: PLC0415

    options = DemoOptions(
        data,
        stream,
        samples,
        rate,
        delay,
        budget,
        strategy,
        model,
        port,
        seed,
        label=label,
        annotators=annotators,
        desk=desk,
        browser=browser,
        form=form,
    )
    try:
        code = perform(options, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(code)


@cli.command()
@with_file_form
def simulate(  # noqa: PLR0913 - one argument an option
    file: Annotated[Path | None, typer.Argument(help=f"A recorded stream: {FORMATS}")] = None,
    stream: Annotated[str | None, typer.Option(help="A dataset of River: shuttle or segments.")] = None,
    topic: Annotated[str | None, typer.Option(help="A topic on the broker of the settings.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Start of the range of the topic, ISO 8601.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End of the range.")] = None,
    label: LabelPlace = None,
    strategies: Annotated[str | None, typer.Option(help="Query strategies, such as margin,entropy.")] = None,
    managers: Annotated[str | None, typer.Option(help="Budget managers.")] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--models", "--model", help="River expressions, separated by semicolons. Repeatable."),
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="Shares of the samples, such as 0.01,0.05.")] = None,
    delays: Annotated[
        str,
        typer.Option(help="Label delays: 500 (samples later), 30s, 10m, 2h, 3d, or column (as recorded)."),
    ] = "0",
    time: Annotated[
        str | None, typer.Option(metavar="PATH", help="Column, or path, of the time of each sample.")
    ] = None,
    label_time: Annotated[
        str | None, typer.Option(metavar="PATH", help="Column, or path, of the time of each label.")
    ] = None,
    time_unit: Annotated[str, typer.Option(help="Unit of numbers in these columns: s, m, h or d.")] = "s",
    annotator_error: Annotated[float, typer.Option(help="Share of the labels that are wrong.")] = 0.0,
    annotators: Crew = None,
    warm_start: Annotated[
        int, typer.Option(help="Number of samples that are labelled and learned before the runs.")
    ] = 0,
    samples: Annotated[int | None, typer.Option(help="Number of samples to use.", show_default="all")] = None,
    seeds: Annotated[int, typer.Option(help="Number of repetitions, each with another seed.")] = 1,
    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", help="Number of runs at the same time, each in a process of its own."),
    ] = 1,
    measure: Annotated[str, typer.Option(help="What to choose by: accuracy, kappa, g_mean.")] = "accuracy",
    report: Annotated[Path | None, typer.Option(help="HTML file with learning curves to write.")] = None,
    identity: IdPlace = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    *,
    form: FileForm,
) -> None:
    """Simulate on a recorded stream what labels would have cost, and what they would have been worth.

    Strategy, budget manager, share and model come from the settings if no option gives them. Records are
    read as the service reads them: the settings input.* hold for a file and a topic alike. Without --label,
    the labels of a topic's samples come from the examples.
    """
    from stream_al.service.engine_settings import input_rules  # noqa: PLC0415
    from stream_al.simulate.command import perform  # noqa: PLC0415
    from stream_al.simulate.plan import SimulationOptions  # noqa: PLC0415

    options = SimulationOptions(
        file=file,
        stream=stream,
        topic=topic,
        begin=begin,
        end=end,
        label=label,
        id=identity,
        time=time,
        label_time=label_time,
        time_unit=time_unit,
        form=form,
        strategies=strategies,
        managers=managers,
        models=tuple(models or ()),
        budgets=budgets,
        delays=delays,
        annotator_error=annotator_error,
        annotators=annotators,
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
