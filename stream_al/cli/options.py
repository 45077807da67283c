"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from stream_al.datasets.form import FileForm

__all__ = [
    "FORMATS",
    "AsJson",
    "ConfigFile",
    "Crew",
    "IdPlace",
    "LabelPlace",
    "Overrides",
    "with_file_form",
]

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
Crew = Annotated[
    str | None,
    typer.Option(
        "--annotators",
        metavar="TEXT",
        help="Simulated annotators, such as 'ada: error=0.1, delay=lognormal(10m, 1.0), speed=120; "
        "bob: confuse=spam>ham:0.3, away=18-8'.",
        show_default="one who is never wrong",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]

# --- files -----------------------------------------------------------------------------------------------
FILE = "How to read the file"
FORMATS = "CSV, JSON lines, a JSON array, or Parquet; compressed with gzip or not. The content says which."
"""The files that are read, for the help of a command."""

LabelPlace = Annotated[
    str | None,
    typer.Option(
        help="Column, or path in the record, of the label.",
        show_default="label, else the last column",
        rich_help_panel=FILE,
    ),
]
IdPlace = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="PATH",
        help="Column, or path in the record, of the sample's id; or position.",
        show_default="input.id of the settings",
        rich_help_panel=FILE,
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Character between the cells of a CSV. Write tab and space as words.",
        show_default="found out: , ; tab or |",
        rich_help_panel=FILE,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="Encoding, such as cp1252.",
        show_default="UTF-8, or UTF-16 and UTF-32 by their byte order mark",
        rich_help_panel=FILE,
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line of a CSV names the columns. Without names they are column_1 and so on.",
        show_default="it does",
        rich_help_panel=FILE,
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Decimal separator of the numbers in a CSV: . or ,",
        show_default="found out for each column",
        rich_help_panel=FILE,
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CELL",
        help="A cell that means a missing value, besides NA, NaN, null, ? and - among numbers. Repeatable.",
        rich_help_panel=FILE,
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        metavar="COLUMN",
        help="A column of a CSV that holds texts, though its cells look like numbers. Repeatable.",
        rich_help_panel=FILE,
    ),
]


FORM = {
    "delimiter": Delimiter,
    "encoding": Encoding,
    "header": Header,
    "decimal": Decimal,
    "missing": Missing,
    "texts": Texts,
}
"""The options that say what a file looks like, by the name of the attribute of `FileForm`."""


def with_file_form(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `FORM`. It gets what they say as its argument `form`."""
    own = signature(command, eval_str=True)
    kept = [parameter for parameter in own.parameters.values() if parameter.name != "form"]
    added = [Parameter(n, Parameter.KEYWORD_ONLY, default=None, annotation=FORM[n]) for n in FORM]

    @wraps(command)
    def with_options(**given: Any) -> None:
        said = {name: given.pop(name) for name in FORM}
        said |= {name: tuple(said[name] or ()) for name in ("missing", "texts")}
        command(**given, form=FileForm(**said))

    # What typer reads: the options in the place of the argument.
    with_options.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined] # of functions
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in [*kept, *added]}
    return with_options
