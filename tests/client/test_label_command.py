"""The laws of the command `stream-al label`: what it says, its exit code, the terminal that it leaves."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from time import monotonic
from typing import Any

import pytest

from stream_al.cli import main
from tests.client.label_server import LabelServer, listening
from tests.support.processes import command, environment
from tests.support.replica import DEADLINE_SECONDS

DESK = {"classes": ["ham", "spam"], "open_classes": True, "pending": 3}
CTRL_C = "Ctrl-C"


@pytest.fixture
def label(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command; its exit code, and what it said on both outputs."""
    for name in [name for name in os.environ if name.startswith("STREAM_AL_")]:
        monkeypatch.delenv(name)

    def run(*words: str, given: str = "") -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["stream-al", "label", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


def test_pipes_give_json_lines_and_nothing_else(label: Any) -> None:
    server = LabelServer(["q0", "q1"])
    with listening(server) as url:
        code, out, err = label(
            "--json", "--url", url, "--annotator", "ada", given='{"id": "q0", "label": 1}\n'
        )
    assert code == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["q0", "q1"]
    assert err == "1 given\n"
    assert [(one["id"], one["label"], one["annotator"]) for one in server.labels] == [("q0", 1, "ada")]
    assert not server.leases


def test_every_mistake_is_one_line(label: Any) -> None:
    server = LabelServer(["q0"])
    server.required = "another"
    with listening(server) as url:
        for words, given, says, ends in (
            (("--json", "--url", url), "", "STREAM_AL_CLIENT_TOKEN", 2),
            (("--json", "--count", "0", "--url", url), "", "--count: write a number from 1 to 50, not 0", 2),
            (("--url", url), "", "the standard input is no terminal: add --json", 2),
            (("--json", "--url", "nowhere"), "", "url: write an address", 2),
            (("--json", "--token-file", "/no/such"), "", "token_file: /no/such cannot be read", 2),
        ):
            code, out, err = label(*words, given=given)
            assert (code, out, len(err.splitlines())) == (ends, "", 1), err
            assert says in err


def test_a_line_that_is_no_label_ends_the_command_and_gives_the_rest_back(label: Any) -> None:
    server = LabelServer(["q0", "q1"])
    with listening(server) as url:
        code, _, err = label("--json", "--url", url, given='{"id": "q0", "label": 1}\nspam\n')
    assert code == 2
    assert err.startswith("stream-al: line 2: write")
    assert len(server.labels) == 1
    assert not server.leases


class Terminal:
    """A pseudo-terminal with the command in it."""

    def __init__(self, *words: str) -> None:
        self.ours, self._its = pty.openpty()
        self.before = termios.tcgetattr(self._its)
        self.seen = ""
        self.process = subprocess.Popen(  # noqa: S603 - our own words
            command("label", *words), stdin=self._its, stdout=self._its, stderr=self._its, env=environment()
        )

    def until(self, text: str) -> None:
        """Read until a text is on the screen."""
        end, begin = monotonic() + DEADLINE_SECONDS, len(self.seen)
        while text not in self.seen[begin:]:
            assert monotonic() < end, self.seen
            if select.select([self.ours], [], [], 0.1)[0]:
                self.seen += os.read(self.ours, 65_536).decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def ended(self) -> int:
        """The exit code; the terminal must be as it was."""
        code = self.process.wait(DEADLINE_SECONDS)
        assert termios.tcgetattr(self._its) == self.before
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)
        os.close(self._its)


@pytest.mark.long
@pytest.mark.parametrize(("end", "code"), [("q", 0), (CTRL_C, 130)])
def test_single_keys_label_in_a_terminal(end: str, code: int) -> None:
    """A number, an arrow that means nothing, a skip with its reason; Ctrl-C and q end it well."""
    server = LabelServer(["q0", "q1", "q2"], desk=DESK)
    with listening(server) as url:
        terminal = Terminal("--url", url)
        try:
            terminal.until("text of q0")
            terminal.type("2\x1b[As")  # typed ahead
            terminal.until("no reason")
            terminal.type("blurred\n")
            terminal.until("text of q2")
            if end == CTRL_C:  # only a terminal that controls its process turns the key into a signal
                terminal.process.send_signal(signal.SIGINT)
            else:
                terminal.type(end)
            assert terminal.ended() == code
        finally:
            terminal.close()
    assert [(one["id"], one.get("label"), one.get("skip_reason")) for one in server.labels] == [
        ("q0", "spam", None),
        ("q1", None, "blurred"),
    ]
    assert not server.leases
    assert "Traceback" not in terminal.seen
