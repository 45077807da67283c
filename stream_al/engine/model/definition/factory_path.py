"""The import path of a factory, such as `my_package.models:build`, as a text: nothing is imported here."""

from __future__ import annotations

import re

from stream_al.errors import Misconfigured

__all__ = ["check_path", "is_factory"]

_FACTORY = re.compile(r"[\w.]+:[\w.]+")


def is_factory(definition: str) -> bool:
    """Whether a definition is the import path of a factory, so that building it runs the user's code.

    >>> is_factory("my_package.models:build"), is_factory("GaussianNB()")
    (True, False)
    """
    return _FACTORY.fullmatch(definition) is not None


def check_path(path: str) -> None:
    """Check the form of a factory's import path, and run nothing.

    Raises:
        Misconfigured: No function can have this path.

    >>> check_path(".:f")
    Traceback (most recent call last):
    stream_al.errors.Misconfigured: The path '.:f' can name no factory; write it as my_package.models:build.
    """
    if not all(part.isidentifier() for part in re.split("[.:]", path)):
        raise Misconfigured(
            f"The path {path[:60]!r} can name no factory; write it as my_package.models:build."
        )
