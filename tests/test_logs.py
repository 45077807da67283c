"""The laws of logging."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO

import pytest
import structlog

from stream_al import settings
from stream_al.logs import configure


@contextmanager
def restored() -> Iterator[None]:
    """Logging as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


def test_a_logger_that_was_used_obeys_a_later_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs within another program must not fix for ever where log lines go."""
    log, later = structlog.get_logger("stream_al.tests"), structlog.testing.LogCapture()
    with restored(), closing(StringIO()) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        configure(settings.Settings())
        log.info("here")
        structlog.configure(processors=[later])
        log.info("there")
        assert ("here" in stream.getvalue(), "there" in stream.getvalue()) == (True, False)
    assert [entry["event"] for entry in later.entries] == ["there"]
