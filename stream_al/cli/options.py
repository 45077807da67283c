"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "ConfigFile", "Overrides"]

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="YAML file with settings.", envvar="STREAM_AL_CONFIG", show_envvar=True
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="PATH=VALUE", help="Set one setting, such as budget.share=0.1. Repeatable."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
