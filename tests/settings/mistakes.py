"""Settings that are read from a file of a test, and the mistakes that reading finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_al.errors import Misconfigured
from stream_al.settings import load

__all__ = ["mistake", "mistakes", "write"]


def write(directory: Path, text: str) -> Path:
    """A settings file."""
    file = directory / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(
    file: Path | None = None, overrides: tuple[str, ...] = (), environ: dict[str, str] | None = None
) -> tuple[str, ...]:
    """All mistakes in settings."""
    with pytest.raises(Misconfigured) as caught:
        load(file, overrides, environ or {})
    return caught.value.mistakes


def mistake(*overrides: str, **environ: str) -> str:
    """The only mistake in settings."""
    (only,) = mistakes(overrides=overrides, environ=environ)
    return only
