"""Secrets are shown nowhere: every secret setting has a canary, and all output is searched for canaries."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from stream_al.errors import Misconfigured
from stream_al.settings import SettingRow, describe, load
from tests.broker.locked import PASSWORD, Locked
from tests.ports import free_port
from tests.support.processes import command, environment
from tests.support.replica import DEADLINE_SECONDS

BIRD = "canary"
SECRETS = [row for row in describe() if row.type.startswith("secret")]


def canary(path: str) -> str:
    return f"{BIRD}-of-{path}-0123456789"


CANARIES = {row.environment: canary(row.path) for row in SECRETS}


def silent(text: str | bytes) -> None:
    """Fail if a text has a canary, and show only its line."""
    lines = (text.decode(errors="replace") if isinstance(text, bytes) else text).splitlines()
    assert not [line[:500] for line in lines if BIRD in line]


def variables(settings: list[str], **more: str) -> dict[str, str]:
    """The environment of a process with these settings: on the command line, other users could read them."""
    paths = {row.path: row.environment for row in describe()}
    given = {paths[path]: value for path, _, value in (setting.partition("=") for setting in settings)}
    return {**environment(), **given, **more, "STREAM_AL_LOG__LEVEL": "debug"}


async def ended(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return await asyncio.to_thread(
        subprocess.run, command(*arguments), env=environ, capture_output=True, timeout=DEADLINE_SECONDS
    )


def test_every_secret_setting_has_a_canary() -> None:
    """A setting with the name of a secret is a secret setting, and no other setting is."""
    sounding = ("password", "token", "tokens", "key", "secret")
    for row in describe():
        named = row.path.endswith(sounding)
        assert named == (row in SECRETS), row.path
    tree = load(environ=CANARIES)
    silent(repr(tree))
    assert len(SECRETS) >= 7


@pytest.mark.parametrize("more", [{}, {"STREAM_AL_BUDGET__SHARE": "7"}, {"STREAM_AL_HTTP__OPEN": "true"}])
async def test_commands_that_show_and_check_settings_show_no_secret(more: dict[str, str]) -> None:
    """This holds for wrong settings too."""
    for arguments in (("show",), ("show", "--json"), ("check",)):
        done = await ended(variables([], **CANARIES, **more), "config", *arguments)
        silent(done.stdout + done.stderr)
        assert (done.returncode == 0) == (not more)
        assert b"****" in done.stdout or arguments == ("check",) or more


@pytest.mark.parametrize("row", SECRETS, ids=lambda row: row.path)
def test_an_invalid_secret_is_not_shown(row: SettingRow, tmp_path: Path) -> None:
    """Neither in the wrong form, nor under a name with a wrong letter."""
    section, leaf = row.path.split(".")
    file = tmp_path / "settings.yaml"
    for text in (
        f"{section}: {{{leaf}: [{BIRD}]}}",
        f"{section}: {{{leaf}x: {BIRD}}}",
        f"{section}: {leaf} {BIRD}",
    ):
        file.write_text(text)
        with pytest.raises(Misconfigured, match=section) as caught:
            load(file, environ={})
        silent(str(caught.value))


@pytest.mark.parametrize("mechanism", ["PLAIN", "OAUTHBEARER"])
async def test_a_refused_login_gives_one_line_without_the_secret(locked: Locked, mechanism: str) -> None:
    """The service ends with the exit code for a mistake of the user; the log level is `debug`."""
    stale = locked.token(f"stale-{mechanism}", life_seconds=-3600)
    given = [*locked.settings("SECURE", mechanism, canary("wrong"))]
    if mechanism == "OAUTHBEARER":
        given.append(f"kafka.sasl_oauth_token_file={stale}")
    given += ["http.port=0", f"snapshots.directory={stale.parent / 'snapshots'}"]
    others = {
        name: value for name, value in CANARIES.items() if "HTTP__SSL" not in name and "KAFKA" not in name
    }
    done = await ended(variables(given, **others), "serve")
    said = done.stderr.decode()
    silent(said)
    assert stale.read_text().strip() not in said
    assert done.returncode == 2
    assert said.splitlines()[-1].startswith("stream-al: kafka.sasl_")
    assert sum(line.startswith("stream-al: ") for line in said.splitlines()) == 1
    assert "Traceback" not in said
    assert "aiokafka" in said, "the level was debug"


@asynccontextmanager
async def serving(environ: Mapping[str, str], log: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = await asyncio.to_thread(
            subprocess.Popen, command("serve"), env=dict(environ), stdout=out, stderr=out
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, DEADLINE_SECONDS)


async def test_a_running_service_shows_no_secret(locked: Locked, tmp_path: Path) -> None:
    """Log, responses, metrics, process title and snapshots have no secret.

    The service uses Kafka with SCRAM over TLS, and HTTPS with a locked key. It has tokens from settings and
    from a file, it learns, and its log level is `debug`.
    """
    certificate, key = locked.authority.locked("https", CANARIES["STREAM_AL_HTTP__SSL_KEY_PASSWORD"])
    ours, our_key = locked.authority.locked("kafka", CANARIES["STREAM_AL_KAFKA__SSL_KEY_PASSWORD"])
    file = tmp_path / "tokens"
    file.write_text(f"admin filed {canary('file')}\n")
    file.chmod(0o600)
    port, name = free_port(), f"s{os.getpid()}"
    given = [
        *locked.settings("SECURE"),
        f"kafka.ssl_certfile={ours}",
        f"kafka.ssl_keyfile={our_key}",
        f"http.ssl_certfile={certificate}",
        f"http.ssl_keyfile={key}",
        f"http.tokens_file={file}",
        f"http.port={port}",
        f"application={name}",
        f"snapshots.directory={tmp_path / 'snapshots'}",
        "snapshots.every_examples=1",
        *(
            f"topics.{kind}={name}.{kind}"
            for kind in ("samples", "queries", "labels", "examples", "control", "leases")
        ),
    ]
    environ = variables(given, **{**CANARIES, "STREAM_AL_KAFKA__SASL_PASSWORD": PASSWORD})
    made = await ended(environ, "topics", "create")
    assert made.returncode == 0, made.stderr.decode()
    silent(made.stdout + made.stderr)
    log = tmp_path / "log"
    async with (
        serving(environ, log) as process,
        httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}",
            verify=False,  # noqa: S501 - the name is another one
            timeout=DEADLINE_SECONDS,
            trust_env=False,
        ) as client,
    ):
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await ready(client):
                assert process.poll() is None, log.read_text()
                await asyncio.sleep(0.1)
        silent(await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_bytes))
        for token in (canary("http.admin_tokens"), canary("file")):
            headers = {"Authorization": f"Bearer {token}"}
            label = {"id": f"id-{len(token)}", "label": "up", "features": {"x": 1.0}}
            assert (await client.post("/v1/labels", json=label, headers=headers)).status_code == 202
            assert (await client.post("/v1/pause", headers=headers)).status_code == 200
            for path in ("/v1/status", "/v1/model", "/v1/queries", "/metrics", "/openapi.json", "/nowhere"):
                response = await client.get(path, headers=headers)
                silent(response.text + str(response.headers))
        for wrong in (f"Bearer {BIRD}", f"Basic {BIRD}", BIRD):
            response = await client.post("/v1/pause", json={"x": BIRD}, headers={"Authorization": wrong})
            assert response.status_code == 401
            silent(response.text + str(response.headers))
    text = log.read_text()
    silent(text)
    assert process.returncode == 0, text
    assert "aiokafka" in text, "the level was debug"
    assert '"who": "filed"' in text
    for written in (tmp_path / "snapshots").rglob("*"):
        if written.is_file():
            assert BIRD.encode() not in written.read_bytes()


async def ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
