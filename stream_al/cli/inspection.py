"""Commands that show the settings, the model and the contracts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from stream_al import settings
from stream_al.cli.broker import bar, run
from stream_al.cli.options import AsJson, ConfigFile, Overrides
from stream_al.errors import Misconfigured

if TYPE_CHECKING:
    from stream_al.engine.labels.learner import Learner
    from stream_al.service.broker.protocols import Broker

__all__ = ["config_cli", "contracts_cli", "model_cli"]

config_cli = typer.Typer(help="The settings.", no_args_is_help=True)
model_cli = typer.Typer(help="The model.", no_args_is_help=True)
contracts_cli = typer.Typer(help="Messages, topics and HTTP as schemas.", no_args_is_help=True)


@config_cli.command("check")
def config_check(
    config: ConfigFile = None,
    overrides: Overrides = None,
    imports: Annotated[
        bool,
        typer.Option(
            "--import",
            help="Also import and call the factories that the settings name. This runs their code.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the settings, and list every mistake. Without --import no code of a model's factory runs."""
    given = settings.load(config, overrides or [], imports=imports)
    paths = [] if imports else given.model.factories()
    if as_json:
        typer.echo(json.dumps({"valid": True, "not_run": list(paths)}))
        return
    typer.echo("the settings are valid")
    if paths:
        typer.echo(
            f"the code of {', '.join(paths)} was not run: only --import shows whether it makes a model"
        )


@config_cli.command("show")
def config_show(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print the settings in force, secrets hidden."""
    values = settings.effective(settings.load(config, overrides or []))
    typer.echo(json.dumps(values, indent=2) if as_json else yaml.safe_dump(values, sort_keys=False).rstrip())


@config_cli.command("reference")
def config_reference() -> None:
    """Print every setting with its type, default and meaning, as Markdown."""
    typer.echo(settings.page(), nl=False)


@model_cli.command("show")
def model_show(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print a description of the model after all examples."""
    _model(config, overrides, as_json=as_json, rebuild=False)


@model_cli.command("rebuild")
def model_rebuild(
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    from_here: Annotated[
        bool,
        typer.Option(
            "--from-here", help="Go on without the examples that the topic no longer holds, on all replicas."
        ),
    ] = False,
) -> None:
    """Ignore the snapshots, learn all examples again, and write a snapshot."""
    _model(config, overrides, as_json=as_json, rebuild=True, from_here=from_here)


@contracts_cli.command("show")
def contracts_show(
    name: Annotated[str, typer.Argument(help="asyncapi, openapi, or a message such as query.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Print a contract: AsyncAPI of the topics, OpenAPI of HTTP, or the JSON Schema of a message."""
    from stream_al import contracts  # noqa: PLC0415

    if name not in contracts.NAMES:
        raise Misconfigured(f"there is no contract {name!r}; write one of {', '.join(contracts.NAMES)}")
    typer.echo(contracts.show(name, settings.load(config, overrides or [])), nl=False)


@contracts_cli.command("write")
def contracts_write(
    directory: Annotated[
        Path, typer.Argument(help="The directory to write to. It is created if it does not exist.")
    ],
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write all contracts into a directory."""
    from stream_al import contracts  # noqa: PLC0415

    written = []
    for name, text in contracts.files(settings.load(config, overrides or [])).items():
        path = directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Misconfigured(
                f"{path} cannot be written: {error.strerror}; name another directory"
            ) from None
        written.append(str(path))
        if not as_json:
            typer.echo(f"wrote {path}")
    if as_json:
        typer.echo(json.dumps({"written": written}))


def _model(
    config: Path | None, overrides: list[str] | None, *, as_json: bool, rebuild: bool, from_here: bool = False
) -> None:
    from stream_al.engine.model.importance import feature_importance  # noqa: PLC0415
    from stream_al.service import maintenance  # noqa: PLC0415
    from stream_al.service.http.status import describe_model  # noqa: PLC0415
    from stream_al.service.model.importance import describe_importance  # noqa: PLC0415

    given = settings.load(config, overrides or [], imports=True)

    async def work(broker: Broker) -> Any:
        with bar("learning") as progress:
            return await maintenance.load_model(
                given, broker, rebuild=rebuild, progress=progress, from_here=from_here
            )

    learner: Learner = run(given, work)
    matters = feature_importance(learner.model, learner.recent_features)
    facts = {
        **describe_model(given.model.name, learner),
        "importance": describe_importance(matters, learner.model.examples),
    }
    typer.echo(json.dumps(facts) if as_json else yaml.safe_dump(facts, sort_keys=False).rstrip())
