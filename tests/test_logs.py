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


HOSTILE = "a\x1b[2J\x1b]0;owned\x07\u202e\rb\x9b31m"


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_text_in_a_log_line_is_a_command_to_the_terminal(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids and messages of records are in the log, and anybody may write a record."""
    log = structlog.get_logger("stream_al.tests")
    with restored(), closing(StringIO()) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        configure(settings.load(overrides=[f"log.format={form}"], environ={}))
        log.warning(HOSTILE, sample=HOSTILE, many=[HOSTILE], names={HOSTILE: 1})
        logging.getLogger("foreign").warning("%s", HOSTILE)
        log.error("failed", exc_info=ValueError(HOSTILE))
        written = stream.getvalue()
    colours = ("\x1b[0m", "\x1b[1m", "\x1b[2m", *(f"\x1b[{number}m" for number in range(30, 38)))
    for colour in colours:
        written = written.replace(colour, "")
    assert "owned" in written
    assert all(character.isprintable() or character == "\n" for character in written)
