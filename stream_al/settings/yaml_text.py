"""YAML, read by its failsafe schema: a scalar is text until the type of the setting says what it means.

So a client id `0123` keeps its zero, a topic `no` is no boolean, and a password of digits is no number.

A setting that takes texts and numbers alike has to know whether a scalar was quoted. So one without quotes is
a `Plain` text, and `as_written` gives it the type that JSON would: 1 is a number, true a truth value, no a
text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Plain", "as_written", "parse", "set_twice"]

_NUMBER = re.compile(r"[+-]?(\d{1,100}(\.\d{0,100})?|\.\d{1,100})([eE][+-]?\d{1,3})?", re.ASCII)


def parse(text: str) -> Any:
    """Texts, lists and mappings from YAML.

    Raises:
        ValueError: With a sentence that names the line of the mistake.

    >>> parse("{client_id: 0123, topics: [no]}")
    {'client_id': '0123', 'topics': ['no']}
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (it builds nothing else)
    except RecursionError:
        raise ValueError("write less nesting") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "a character"
        # What the parser quotes comes from the file, and the file may hold a secret.
        problem = re.sub(r"""(['"]).*\1""", "...", getattr(error, "problem", None) or "not printable")
        raise ValueError(f"{where} is not YAML ({problem}); correct it") from None


class Plain(str):
    """A scalar without quotes."""

    __slots__ = ()


def as_written(value: Any) -> Any:
    """A scalar without quotes as the number or truth value that it is; anything else as it is.

    >>> [as_written(scalar) for scalar in parse('[1, "1", 0.5, true, no]')]
    [1, '1', 0.5, True, 'no']
    """
    if not isinstance(value, Plain):
        return value
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not _NUMBER.fullmatch(value):
        return str(value)
    return int(value) if value.lstrip("+-").isdigit() else float(value)


class _Loader(yaml.BaseLoader):
    """Makes nothing but texts, lists and mappings."""

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        text: str = super().construct_scalar(node)
        return Plain(text) if node.style is None else text


def set_twice(text: str) -> Iterator[str]:
    """The settings that a file sets more than once. YAML's reader would keep the last without a word."""
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
