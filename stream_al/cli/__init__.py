"""The command line.

Results go to standard output, progress and logs to standard error. An error is one line on standard error.
The exit code is 2 for a mistake that the user can correct (usage, settings) and 1 for a failure. A traceback
is a bug.

    processes      run the service, the demo, a simulation, the bridge to Label Studio
    records        work on topics: create, export, import, correct, reset
    dead_letters   list, show and replay dead letters
    inspection     show the settings, the model and the contracts
    doctor         examine a stream
    label          label in the terminal
    examples       the examples that the help of each command shows
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from stream_al import __version__
from stream_al.cli import dead_letters, doctor, inspection, label, processes, records
from stream_al.cli.examples import add_examples
from stream_al.errors import StreamAlError
from stream_al.terminal import printable

__all__ = ["cli", "main"]

cli = typer.Typer(
    name="stream-al",
    help="Ask for the labels of a stream that are worth paying for, and learn from them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(processes.cli)
cli.add_typer(doctor.cli)
cli.add_typer(label.cli)
for name, group in {
    "config": inspection.config_cli,
    "topics": records.topics_cli,
    "examples": records.examples_cli,
    "labels": records.labels_cli,
    "offsets": records.offsets_cli,
    "dlq": dead_letters.dlq_cli,
    "model": inspection.model_cli,
    "contracts": inspection.contracts_cli,
}.items():
    cli.add_typer(group, name=name)
add_examples(cli)


def main() -> None:
    """Run the command line. One of our errors becomes one line and an exit code."""
    _find_modules_here()
    try:
        cli()
    except StreamAlError as error:
        for line in str(error).splitlines():
            print(f"stream-al: {printable(line)}", file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output, such as head, has ended
        sys.stderr.close()
        sys.exit(0)


def _find_modules_here() -> None:
    """Let `model.definition` name a factory in a module of the current directory, as `my_models:build`.

    `python -m stream_al` finds such a module, and the installed command would not. The directory comes last,
    so that a file in it never takes the place of an installed module. Python's own switch against it
    (`PYTHONSAFEPATH`) holds here too.
    """
    here = os.getcwd()  # noqa: PTH109 - an entry of sys.path is a text
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.append(here)


@cli.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Handle the options of the command as a whole."""
    if version:
        typer.echo(f"stream-al {__version__}")
        raise typer.Exit
