"""Reading the settings: three sources reduced to one thing, *path -> value*, the later winning.

YAML is read by its failsafe schema: a scalar is text until the setting's own type says what it means. A
client id `0123` keeps its zero, a topic `no` is no boolean, a password of digits is no number. A setting
that may be empty is emptied by `null`, `~` or nothing. A secret from the environment or the command line
is not even YAML; it is taken as it stands, for passwords love `#`, `&` and `*`.

Reading never stops at a mistake, it collects: a user should not meet them one restart at a time. (The
sources of pydantic-settings stop at the first value they cannot parse, and pass over variables
they do not know.) A mistake shows what was written, except for a secret, and except where a whole section or
an unknown setting was written, for that may hold one.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import SecretStr, ValidationError

from stream_al.errors import Misconfigured
from stream_al.settings.checks import did_you_mean
from stream_al.settings.description import PREFIX, describe, fields, kind, type_text
from stream_al.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["load"]

FILE_VARIABLE = "STREAM_AL_CONFIG"
TEST_PREFIX = "STREAM_AL_TEST_"

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
) -> Settings:
    """Read the settings: `overrides` over the environment over the file over the defaults.

    Args:
        file: A YAML file; without it, the one that STREAM_AL_CONFIG names, if any.
        overrides: `path=value`, the value in YAML.
        environ: The environment variables; the process's own by default.

    Raises:
        Misconfigured: With every mistake found, one sentence each.

    >>> load(overrides=["budget.share=0.1"], environ={"STREAM_AL_BUDGET__SHARE": "0.2"}).budget.share
    0.1
    """
    environ = os.environ if environ is None else environ
    named = environ.get(FILE_VARIABLE)
    reading = Reading()
    if file is not None or named:
        reading.file(Path(file or named or ""))
    reading.environment(environ)
    reading.command_line(overrides)
    settings = reading.settings()
    if settings is None or reading.mistakes:
        raise Misconfigured(*dict.fromkeys(reading.mistakes))
    return settings


class Given(NamedTuple):
    value: Any
    source: str


class Reading:
    """What was given so far, and what is wrong with it."""

    def __init__(self) -> None:
        self.given: dict[str, Given] = {}
        self.mistakes: list[str] = []

    def file(self, path: Path) -> None:
        """Take the settings of a YAML file."""
        try:
            text = path.read_text(encoding="utf-8")
            content = _yaml(text)
        except OSError as error:
            self.mistakes.append(f"{path}: cannot be read ({error.strerror}); name a YAML file of settings")
        except UnicodeError:
            self.mistakes.append(f"{path}: is not in UTF-8; save it so")
        except ValueError as error:
            self.mistakes.append(f"{path}: {error}")
        else:
            if isinstance(content, dict):
                self.mistakes.extend(f"{again}; keep one ({path})" for again in _set_twice(text))
                for name, value in content.items():
                    self.take(name, value, str(path))
            elif content not in _EMPTY:
                self.mistakes.append(f"{path}: write a mapping at the top, such as `budget: {{share: 0.1}}`")

    def environment(self, environ: Mapping[str, str]) -> None:
        """Take the variables with our prefix; a section's own comes before those of its settings."""
        for variable in sorted(environ, key=len):
            if (
                not variable.startswith(PREFIX)
                or variable == FILE_VARIABLE
                or variable.startswith(TEST_PREFIX)
            ):
                continue
            if variable in _PATHS:
                self.take(_PATHS[variable], _text(_PATHS[variable], environ[variable]), variable)
            else:
                # Without the prefix, which would make everything look alike.
                known = [name.removeprefix(PREFIX) for name in _PATHS]
                close = did_you_mean(variable.removeprefix(PREFIX), known, PREFIX)
                self.mistakes.append(f"{variable}: there is no such setting{close or '; take it away'}")

    def command_line(self, overrides: Sequence[str]) -> None:
        """Take settings written as path=value."""
        for override in overrides:
            found = re.fullmatch(r"\s*([\w.]*)\s*(=?)(.*)", override, re.DOTALL)
            path, equals, text = found.groups() if found else (override, "", "")
            if equals:
                self.take(path, _text(path, text), "the command line")
            else:  # show the path alone: the rest may be a secret, with a colon or a blank for its `=`
                self.mistakes.append(f"{path}: write path=value, such as budget.share=0.1")

    def settings(self, *, typed: bool = False) -> Settings | None:
        """Build the tree from what was given, or note why that cannot be.

        Args:
            typed: Whether the values are of JSON's types, and not texts that mean one.
        """
        tree: dict[str, Any] = {}
        for path, (value, _) in self.given.items():
            section, _, leaf = path.rpartition(".")
            (tree.setdefault(section, {}) if section else tree)[leaf] = value
        try:
            if typed:  # only from JSON does pydantic read strictly what is nested
                return Settings.model_validate_json(json.dumps(tree), strict=True)
            return Settings.model_validate(tree)
        except ValidationError as error:
            for detail in error.errors():
                path = ".".join(map(str, detail["loc"][:2]))
                words = detail["ctx"]["error"].args if detail["type"] == "value_error" else ()
                self.refuse(path, words)
            return None

    def take(self, path: str, value: Any, source: str) -> None:
        """Take a setting, or all settings of a section."""
        if path in _FIELDS:
            self.given[path] = Given(None if value in _EMPTY else value, source)
        elif path not in _SECTIONS:
            close = did_you_mean(path, [*_FIELDS, *_SECTIONS])
            self.mistakes.append(f"{path}: there is no such setting{close or '; take it away'} ({source})")
        elif isinstance(value, dict):
            for name, inner in value.items():
                self.take(f"{path}.{name}", inner, source)
        elif value not in _EMPTY:
            self.mistakes.append(f"{path}: write a mapping of its settings ({source})")

    def refuse(self, path: str, words: Sequence[str]) -> None:
        """Note what the type or a check has against a value, or against a default beside other values."""
        given = self.given.get(path, Given(None, "the default"))
        if not words:
            expected = type_text(_FIELDS[path])
            article = "" if expected.startswith(("one of", "true")) else "a "
            shown = "" if given.value is None or _is_secret(path) else f", not {short(given.value)}"
            words = [f"write {article}{expected}{shown}"]
        self.mistakes.extend(f"{path}: {sentence} ({given.source})" for sentence in words)


def _text(path: str, text: str) -> Any:
    """The value of a text from outside a file; it stands as it is where YAML would find no such value."""
    if path in _FIELDS and _is_secret(path):
        return text
    try:
        value = _yaml(text)
    except ValueError:
        return text
    listed = path not in _FIELDS or kind(_FIELDS[path]) == tuple[str, ...]
    return value if listed or isinstance(value, str) else text


def _yaml(text: str) -> Any:
    """Read YAML into texts, lists and mappings; raise ValueError with the line where that fails."""
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (it builds nothing else)
    except RecursionError:
        raise ValueError("write less nesting") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "a character"
        # What the parser quotes comes from the file, and the file may hold a secret.
        problem = re.sub(r"""(['"]).*\1""", "...", getattr(error, "problem", None) or "not printable")
        raise ValueError(f"{where} is not YAML ({problem}); correct it") from None


def _set_twice(text: str) -> Iterator[str]:
    """The settings that a file sets more than once; YAML's reader would keep the last in silence."""
    top = yaml.compose(text, Loader=yaml.BaseLoader)
    mappings = [("", top)]
    if isinstance(top, yaml.MappingNode):
        mappings += [(f"{key.value}.", node) for key, node in top.value]
    for prefix, mapping in mappings:
        if not isinstance(mapping, yaml.MappingNode):
            continue
        seen = set()
        for key, _ in mapping.value:
            if key.value in seen:
                yield f"{prefix}{key.value}: line {key.start_mark.line + 1} sets it again"
            seen.add(key.value)


def _is_secret(path: str) -> bool:
    return kind(_FIELDS[path]) is SecretStr
