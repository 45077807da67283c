"""The sources of the settings: file, environment and command line, each a mapping from path to value.

A later source wins over an earlier one.

Values are read as YAML into texts (`yaml_text`). `null`, `~` or nothing empties a setting that may be empty.
A secret from the environment or the command line is not read as YAML but taken literally, because passwords
often contain `#`, `&` and `*`.

Reading does not stop at the first mistake but collects all of them, so that a user need not restart for
each. (The sources of pydantic-settings stop at the first value that they cannot parse, and ignore variables
that they do not know.) A mistake shows the value that was written. It does not show a secret, nor the value
of a whole section or of an unknown setting, because that may contain a secret.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING, Any, NamedTuple, get_origin

from pydantic import SecretStr, ValidationError

from stream_al.errors import Misconfigured
from stream_al.settings.checks import did_you_mean
from stream_al.settings.description import PREFIX, describe, fields, kind, type_text
from stream_al.settings.selection import IMPORTS
from stream_al.settings.tree import Settings
from stream_al.settings.yaml_text import parse, set_twice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["load", "option_mistakes"]

FILE_VARIABLE = "STREAM_AL_CONFIG"
OF_OTHERS = ("STREAM_AL_TEST_", "STREAM_AL_CLIENT_")
"""What variables of our tests and of our clients begin with; they are no settings of the service."""
COMMAND_LINE = "the command line"

_FIELDS = dict(fields())
_SECTIONS = {path.partition(".")[0] for path in _FIELDS if "." in path}
_PATHS = {row.environment: row.path for row in describe()} | {
    PREFIX + name.upper(): name for name in _SECTIONS
}
_EMPTY = ("", "~", "null", None)


def load(
    file: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    *,
    imports: bool = False,
) -> Settings:
    """Read the settings: `overrides` over the environment over the file over the defaults.

    A model's definition may be the import path of a factory, and to import it runs code. Reading settings
    runs none unless it is asked to: without `imports`, only the form of such a path is checked.

    Args:
        file: A YAML file; without it, the one that STREAM_AL_CONFIG names, if any.
        overrides: `path=value`, the value in YAML.
        environ: The environment variables; those of the process by default.
        imports: Whether to import and call the factories that the settings name.

    Raises:
        Misconfigured: With every mistake found, one sentence each.

    >>> load(overrides=["budget.share=0.1"], environ={"STREAM_AL_BUDGET__SHARE": "0.2"}).budget.share
    0.1
    """
    environ = os.environ if environ is None else environ
    named = environ.get(FILE_VARIABLE)
    reading = Reading(imports=imports)
    if file is not None or named:
        reading.file(Path(file or named or ""))
    reading.environment(environ)
    reading.command_line(overrides)
    settings = reading.settings()
    if settings is None or reading.mistakes:
        raise Misconfigured(*dict.fromkeys(reading.mistakes))
    return settings


@contextmanager
def option_mistakes(paths: Mapping[str, str]) -> Iterator[None]:
    """Report a mistake in an override as a mistake in the option that it comes from.

    Args:
        paths: For each option of a command, the path of the setting that it overrides.

    Raises:
        Misconfigured: With the same sentences, each under the name of its option.

    >>> with option_mistakes({"--budget": "budget.share"}):
    ...     load(overrides=["budget.share=2"], environ={})
    Traceback (most recent call last):
    stream_al.errors.Misconfigured: --budget: write a number > 0 and <= 1, not '2'
    """
    try:
        yield
    except Misconfigured as error:
        options = {path: option for option, path in paths.items()}
        raise Misconfigured(*(_as_option(mistake, options) for mistake in error.mistakes)) from None


def _as_option(mistake: str, options: Mapping[str, str]) -> str:
    path, colon, sentence = mistake.partition(": ")
    if not colon or path not in options:
        return mistake
    return f"{options[path]}: {sentence.removesuffix(f' ({COMMAND_LINE})')}"


class Given(NamedTuple):
    """A value that was written, and where."""

    value: Any
    source: str


class Reading:
    """The values read so far, and the mistakes in them."""

    def __init__(self, *, imports: bool = False) -> None:
        self.imports = imports
        self.given: dict[str, Given] = {}
        self.mistakes: list[str] = []

    def file(self, path: Path) -> None:
        """Take the settings of a YAML file."""
        try:
            text = path.read_text(encoding="utf-8")
            content = parse(text)
        except OSError as error:
            self.mistakes.append(f"{path}: cannot be read ({error.strerror}); name a YAML file of settings")
        except UnicodeError:
            self.mistakes.append(f"{path}: is not in UTF-8; save it in UTF-8")
        except ValueError as error:
            self.mistakes.append(f"{path}: {error}")
        else:
            if isinstance(content, dict):
                self.mistakes.extend(f"{again}; keep one ({path})" for again in set_twice(text))
                for name, value in content.items():
                    self.take(name, value, str(path))
            elif content not in _EMPTY:
                self.mistakes.append(f"{path}: write a mapping at the top, such as `budget: {{share: 0.1}}`")

    def environment(self, environ: Mapping[str, str]) -> None:
        """Take the variables with our prefix, that of a section before those of its settings."""
        for variable in sorted(environ, key=len):
            if not variable.startswith(PREFIX) or variable == FILE_VARIABLE or variable.startswith(OF_OTHERS):
                continue
            if variable in _PATHS:
                self.take(_PATHS[variable], _text(_PATHS[variable], environ[variable]), variable)
            else:
                # The prefix is left out of the comparison, because it would make all names look alike.
                known = [name.removeprefix(PREFIX) for name in _PATHS]
                close = did_you_mean(variable.removeprefix(PREFIX), known, PREFIX)
                self.mistakes.append(f"{variable}: there is no such setting{close or '; remove it'}")

    def command_line(self, overrides: Sequence[str]) -> None:
        """Take settings written as path=value."""
        for override in overrides:
            found = re.fullmatch(r"\s*([\w.]*)\s*(=?)(.*)", override, re.DOTALL)
            path, equals, text = found.groups() if found else (override, "", "")
            if equals:
                self.take(path, _text(path, text), COMMAND_LINE)
            else:  # show the path alone: the rest may be a secret, with a colon or a blank for its `=`
                self.mistakes.append(f"{path}: write path=value, such as budget.share=0.1")

    def settings(self, *, typed: bool = False) -> Settings | None:
        """Build the tree of the values read, or note the mistakes in them and return None.

        Args:
            typed: Whether the values have JSON's types already; else they are texts.
        """
        tree: dict[str, Any] = {}
        for path, (value, _) in self.given.items():
            section, _, leaf = path.rpartition(".")
            (tree.setdefault(section, {}) if section else tree)[leaf] = value
        try:
            if typed:  # pydantic reads nested values strictly only from JSON
                return Settings.model_validate_json(json.dumps(tree), strict=True)
            return Settings.model_validate(tree, context={IMPORTS: self.imports})
        except ValidationError as error:
            for detail in error.errors():
                path = ".".join(map(str, detail["loc"][:2]))
                words = detail["ctx"]["error"].args if detail["type"] == "value_error" else ()
                self.refuse(path, words)
            return None

    def take(self, path: str, value: Any, source: str) -> None:
        """Take the value of a setting, or of all settings of a section."""
        if path in _FIELDS:
            self.given[path] = Given(None if value in _EMPTY else value, source)
        elif path not in _SECTIONS:
            close = did_you_mean(path, [*_FIELDS, *_SECTIONS])
            self.mistakes.append(f"{path}: there is no such setting{close or '; remove it'} ({source})")
        elif isinstance(value, dict):
            for name, inner in value.items():
                self.take(f"{path}.{name}", inner, source)
        elif value not in _EMPTY:
            self.mistakes.append(f"{path}: write a mapping of its settings ({source})")

    def refuse(self, path: str, words: Sequence[str]) -> None:
        """Note a mistake in a value, or in a default that does not fit other values.

        Args:
            path: The setting.
            words: The sentences of a check; none if the value is not of the setting's type.
        """
        given = self.given.get(path, Given(None, "the default"))
        if not words:
            expected = type_text(_FIELDS[path])
            article = "" if expected.startswith(("one of", "true")) else "a "
            shown = "" if given.value is None or _is_secret(path) else f", not {short(given.value)}"
            such = ", such as [a, b]" if expected.startswith("list") else ""
            words = [f"write {article}{expected}{such}{shown}"]
        self.mistakes.extend(f"{path}: {sentence} ({given.source})" for sentence in words)


def _text(path: str, text: str) -> Any:
    """The value of a text from the environment or the command line.

    A text is read as YAML. If the setting is no list and YAML finds no text, the text itself is the value.
    """
    if path in _FIELDS and _is_secret(path):
        return text
    try:
        value = parse(text)
    except ValueError:
        return text
    listed = path not in _FIELDS or get_origin(kind(_FIELDS[path])) is tuple
    return value if listed or isinstance(value, str) else text


def _is_secret(path: str) -> bool:
    return kind(_FIELDS[path]) is SecretStr
