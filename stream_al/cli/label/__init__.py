"""The command `stream-al label`: a labelling desk in the terminal, or for pipes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stream_al.errors import Misconfigured

__all__ = ["cli"]

cli = typer.Typer()


@cli.command()
def label(
    url: Annotated[
        str | None,
        typer.Option(
            help="Address of the service.",
            envvar="STREAM_AL_CLIENT_URL",
            show_envvar=True,
            show_default="http://127.0.0.1:8080",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File that holds the token. STREAM_AL_CLIENT_TOKEN may hold the token itself.",
            envvar="STREAM_AL_CLIENT_TOKEN_FILE",
            show_envvar=True,
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="File of certificates (PEM) to trust instead of the system's."),
    ] = None,
    annotator: Annotated[
        str | None, typer.Option(help="Your name, for the labels.", show_default="the name of the token")
    ] = None,
    count: Annotated[int, typer.Option(help="With --json: queries to print before labels are read.")] = 1,
    wait: Annotated[
        bool, typer.Option("--wait", help="With --json: wait when there is no query, and go on for ever.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print queries as JSON lines, and read labels as JSON lines.")
    ] = False,
) -> None:
    """Label queries by single keys, or through pipes. Nobody else gets a query that you have.

    Queries that you leave are given back. The last label waits some seconds before it is sent, so that it can
    be taken back.
    """
    from rich.console import Console  # noqa: PLC0415 - `--help` need not load it

    from stream_al.cli.broker import say  # noqa: PLC0415
    from stream_al.cli.label.keyboard import terminal_keyboard  # noqa: PLC0415
    from stream_al.cli.label.pipe import label_through_pipes  # noqa: PLC0415
    from stream_al.cli.label.terminal import label_in_terminal  # noqa: PLC0415
    from stream_al.client import Client  # noqa: PLC0415
    from stream_al.client.leases import MOST_AT_ONCE  # noqa: PLC0415

    if not 1 <= count <= MOST_AT_ONCE:
        raise Misconfigured(f"--count: write a number from 1 to {MOST_AT_ONCE}, not {count}")
    try:
        with Client(url, token_file=token_file, ca_file=ca_file, annotator=annotator) as client:
            if as_json:
                sent = label_through_pipes(
                    client, sys.stdin.buffer, sys.stdout, count=count, wait=wait, say=say
                )
                say(f"{sent} given")
            else:
                with terminal_keyboard() as keyboard:
                    label_in_terminal(client, keyboard, Console(highlight=False))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
