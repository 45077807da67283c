"""`stream-al serve` as a process of its own, seen from outside: exit code, standard error, HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import httpx

from stream_al.demo.broker import free_port

START_SECONDS = 60.0
EXIT_SECONDS = 30.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "stream_al", *arguments]


def environment() -> dict[str, str]:
    """Ours, without settings that a developer may have there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_AL_")}
    return kept | {"PYTHONWARNINGS": "error::ResourceWarning"}


async def run(*arguments: str) -> tuple[int, str]:
    """Run a command to its end: exit code and standard error."""

    def done() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            command(*arguments),
            capture_output=True,
            text=True,
            timeout=EXIT_SECONDS,
            env=environment(),
            check=False,
        )

    ended = await asyncio.to_thread(done)
    return ended.returncode, ended.stderr


class Server:
    """One `stream-al serve`."""

    def __init__(self, settings: Sequence[str], directory: Path, name: str) -> None:
        self.snapshots = directory / f"process-{name}"
        self.stderr = directory / f"{name}.log"
        self.port = port = free_port()
        given = [*settings, f"http.port={port}", "http.enabled=true", f"snapshots.directory={self.snapshots}"]
        self._arguments = command("serve", *(part for setting in given for part in ("--set", setting)))
        self._file: IO[bytes] = self.stderr.open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)

    async def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        self._process = await asyncio.to_thread(
            subprocess.Popen, self._arguments, stderr=self._file, env=environment()
        )
        async with asyncio.timeout(START_SECONDS):
            while not await self._ready():
                assert self._process.poll() is None, self.said()
                await asyncio.sleep(0.05)

    async def _ready(self) -> bool:
        try:
            return (await self._http.get("/readyz")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def status(self) -> dict[str, Any]:
        answer = await self._http.get("/v1/status")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def signal(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return await asyncio.to_thread(self._process.wait, EXIT_SECONDS)

    def said(self) -> str:
        """What is on its standard error."""
        return self.stderr.read_text(errors="replace")

    async def close(self) -> None:
        """See to it that nothing is left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait, EXIT_SECONDS)
        self._file.close()
        await self._http.aclose()
