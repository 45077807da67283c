"""What the bridge says before it has talked to Label Studio: tokens, certificates, addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from stream_al.errors import Misconfigured, Unavailable
from stream_al.label_studio.client import Client
from stream_al.settings import load

NOWHERE = "label_studio.url=http://127.0.0.1:9"
Make = Callable[..., Client]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made = list[Client]()

    def client(*given: str, token: str = "") -> Client:
        environ = {"STREAM_AL_LABEL_STUDIO__TOKEN": token}
        settings = load(overrides=given, environ=environ).label_studio
        made.append(Client(settings, 5))
        return made[-1]

    yield client
    for one in made:
        await one.close()


async def test_a_server_that_is_away_is_unavailable(make: Make) -> None:
    """Nothing was done, and it is tried again."""
    with pytest.raises(Unavailable, match=r"start it, or set label_studio\.url"):
        await make(NOWHERE, token="x" * 40).request("GET", "/api/projects/")


@pytest.mark.parametrize("text", [None, b"", b"two words", b"\xff", b"caf\xc3\xa9"])
async def test_a_file_that_holds_no_token_is_named_and_its_content_is_not_shown(
    make: Make, tmp_path: Path, text: bytes | None
) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(Misconfigured, match=r"^label_studio\.token_file: ") as raised:
        await make(NOWHERE, f"label_studio.token_file={file}").request("GET", "/")
    assert "two words" not in str(raised.value)


async def test_without_a_token_the_setting_is_named(make: Make) -> None:
    with pytest.raises(Misconfigured, match=r"^label_studio\.token: set STREAM_AL_LABEL_STUDIO__TOKEN"):
        await make(NOWHERE).request("GET", "/")


async def test_a_file_of_certificates_that_cannot_be_used_is_named(make: Make, tmp_path: Path) -> None:
    for name in ("missing.pem", "empty.pem"):
        (tmp_path / "empty.pem").write_text("no certificate")
        with pytest.raises(Misconfigured, match=r"^label_studio\.ssl_cafile: "):
            make(NOWHERE, f"label_studio.ssl_cafile={tmp_path / name}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("label_studio.url=localhost:8081", "label_studio.url: write an address such as"),
        ("label_studio.url=http://user:secret@host", "label_studio.url: write an address such as"),
        ("label_studio.webhook_url=http://bridge:8090/webhook", "such as bridge.internal"),
        ("label_studio.webhook_secret=short", "write at least 16 characters"),
        ("label_studio.token=Token abc", "without the word Token"),
    ],
)
def test_a_setting_that_cannot_work_says_what_to_write(given: str, said: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        load(overrides=[given], environ={})
    assert said in str(raised.value)
    assert "secret@" not in str(raised.value)
