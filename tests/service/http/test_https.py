"""HTTPS with the certificate in the settings."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest

from stream_al.errors import Misconfigured
from stream_al.service.serve import serving
from tests.broker.authority import Authority
from tests.support.http_server import idle, served
from tests.support.replica import DEADLINE_SECONDS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("https"))


async def test_https_uses_the_certificate_in_the_settings(authority: Authority) -> None:
    certificate = authority.issue("server", "127.0.0.1")
    async with served(f"http.ssl_certfile={certificate}") as app:
        trusting = ssl.create_default_context(cafile=authority.certificate)
        async with httpx.AsyncClient(verify=trusting, timeout=DEADLINE_SECONDS, trust_env=False) as client:
            response = await client.get(f"https://127.0.0.1:{app.port}/livez")
        assert response.text == "live"
        with pytest.raises(httpx.TransportError):
            async with httpx.AsyncClient(timeout=DEADLINE_SECONDS, trust_env=False) as client:
                await client.get(f"http://127.0.0.1:{app.port}/livez")


async def test_files_that_cannot_serve_https_are_mistakes(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.locked("kept", "canary-of-the-key")
    junk = tmp_path / "junk"
    junk.write_text("junk")
    for files, start in (
        ([f"ssl_certfile={tmp_path / 'absent'}"], f"http.ssl_certfile: {tmp_path / 'absent'} cannot be read"),
        ([f"ssl_certfile={junk}"], f"http.ssl_certfile: {junk}"),
        ([f"ssl_certfile={certificate}", f"ssl_keyfile={key}"], "http.ssl_key_password: "),
        (
            [f"ssl_certfile={certificate}", f"ssl_keyfile={key}", "ssl_key_password=canary-of-another"],
            "http.ssl_key_password: ",
        ),
    ):
        with pytest.raises(Misconfigured) as caught:
            await serving(idle("http.port=0", *(f"http.{file}" for file in files)))
        assert str(caught.value).startswith(start)
        assert "canary" not in str(caught.value)
