"""The laws of addresses and tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stream_al import settings
from stream_al.client import Client
from stream_al.client.connection import PREFIX, connection
from stream_al.errors import Misconfigured
from tests.support.processes import environment

CANARY = "canary-0123456789"
NOTHING, VARIABLE, GIVEN = "", "variable", "given"


def test_an_argument_wins_over_the_environment_and_a_token_over_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{CANARY}\n")
    environ = {f"{PREFIX}TOKEN": VARIABLE, f"{PREFIX}URL": "http://there"}
    assert connection(environ={}).url == "http://127.0.0.1:8080"
    assert connection(environ={}).token == NOTHING
    assert connection(environ=environ).token == VARIABLE
    assert connection("http://here/", environ=environ).url == "http://here"
    assert connection(token=GIVEN, token_file=file, environ=environ).token == GIVEN
    assert connection(token_file=file, environ=environ).token == CANARY
    assert connection(environ={f"{PREFIX}TOKEN_FILE": str(file)}).token == CANARY
    assert connection(token=NOTHING, environ=environ).token == NOTHING


@pytest.mark.parametrize(
    ("given", "name"),
    [
        *(
            ({"url": url}, "url:")
            for url in ("localhost:8080", "ftp://x", "http://", "http://x:port", "http://x?a")
        ),
        ({"url": f"http://ada:{CANARY}@x"}, "url:"),
        ({"token": f"{CANARY}\n{CANARY}"}, "token:"),
        ({"token": f"{CANARY}é"}, "token:"),
        ({"token_file": "/no/such/file"}, "token_file:"),
    ],
)
def test_a_mistake_is_a_sentence_without_the_secret(given: dict[str, Any], name: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        connection(**given, environ={})
    assert str(raised.value).startswith(name)
    assert CANARY not in str(raised.value)


def test_a_file_that_holds_no_token_is_a_mistake(tmp_path: Path) -> None:
    for content in (b"", b" \n", b"\xff", b"x" * 5000):
        file = tmp_path / "token"
        file.write_bytes(content)
        with pytest.raises(Misconfigured, match="token_file: write one token"):
            connection(token_file=file, environ={})


def test_a_file_of_authorities_that_cannot_be_used_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(Misconfigured, match="ca_file: name a file"):
            Client(ca_file=file)


def test_the_variables_of_a_client_are_no_settings_of_the_service() -> None:
    """Who labels on the machine of the service, need not unset them to start it."""
    environ = {f"{PREFIX}{name}": "x" for name in ("URL", "TOKEN", "TOKEN_FILE", "CA_FILE")}
    assert settings.load(environ=environ) == settings.load(environ={})


def test_the_client_loads_in_a_moment() -> None:
    """Without the learning library, the Kafka client and the web framework."""
    program = (
        "import stream_al.client, sys; print({'river', 'numpy', 'aiokafka', 'fastapi'} & sys.modules.keys())"
    )
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
        timeout=60,
    )
    assert done.stdout.strip() == "set()"


def test_a_client_without_its_http_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_al.client.transport.httpx", None)
    with pytest.raises(Misconfigured, match=r'pip install "stream_al\[client\]"'):
        Client()
