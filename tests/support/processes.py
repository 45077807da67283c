"""`stream-al` as a process of its own, seen from outside: exit code, standard error, HTTP, memory."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import IO, Any

import httpx

from tests.ports import free_port
from tests.support.replica import DEADLINE_SECONDS

__all__ = ["ROOT", "SERVE", "Server", "command", "environment", "options", "run"]

ROOT = Path(__file__).parents[2]
SERVE = ("-m", "stream_al", "serve")
START_SECONDS = 180.0
EXIT_SECONDS = 120.0
TAIL_CHARACTERS = 4000


def command(*arguments: str) -> list[str]:
    """The command line of `stream-al` with these arguments."""
    return [sys.executable, "-m", "stream_al", *arguments]


def options(settings: Sequence[str]) -> list[str]:
    """Settings as options of a command line."""
    return [part for setting in settings for part in ("--set", setting)]


def environment() -> dict[str, str]:
    """The environment of this process, without the settings that a developer may have there."""
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
    """One process of the service. It can be paused and killed, and started under another program.

    Args:
        settings: Its settings, as on the command line.
        directory: Where its standard error and its snapshots go.
        name: The name of both.
        env: Added to its environment.
        program: What Python runs in place of `stream-al serve`.
        port_setting: The setting of the port that it serves health and metrics at.

    Attributes:
        snapshots: The directory of its snapshots.
        stderr: The file with its standard error.
        port: The port of its HTTP API.
        url: The address of its HTTP API.
    """

    def __init__(
        self,
        settings: Sequence[str],
        directory: Path,
        name: str,
        *,
        env: Mapping[str, str] = {},
        program: Sequence[str] = SERVE,
        port_setting: str = "http.port",
    ) -> None:
        self.snapshots = directory / f"process-{name}"
        self.stderr = directory / f"{name}.log"
        self.port = port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        given = [*settings, f"{port_setting}={port}", "http.enabled=true"]
        given.append(f"snapshots.directory={self.snapshots}")
        self._arguments = [sys.executable, *program, *options(given)]
        self._environment = environment() | {"PYTHONPATH": str(ROOT)} | dict(env)
        self._file: IO[bytes] = self.stderr.open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        # A connection for each request: one that waits may be ended in the moment in which it is used again.
        each = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=DEADLINE_SECONDS, trust_env=False, limits=each
        )

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    async def launch(self) -> None:
        """Start the process, and wait for nothing."""
        self._process = await asyncio.to_thread(
            subprocess.Popen, self._arguments, stderr=self._file, env=self._environment, cwd=ROOT
        )

    async def start(self, seconds: float = START_SECONDS) -> None:
        """Start the process, and wait until it says that it is ready."""
        await self.launch()
        async with asyncio.timeout(seconds):
            while await self.probe("/readyz") != httpx.codes.OK:
                assert self.code is None, self.tail()
                await asyncio.sleep(0.05)

    async def probe(self, path: str, seconds: float = 5.0) -> int:
        """The status code of a GET request; 0 without a response."""
        try:
            return (await self._http.get(path, timeout=seconds)).status_code
        except httpx.TransportError:
            return 0

    async def status(self) -> dict[str, Any]:
        """What `/v1/status` says."""
        response = await self._http.get("/v1/status")
        found: dict[str, Any] = response.raise_for_status().json()
        return found

    async def digest(self) -> str:
        """The digest of the model that it has now."""
        found: str = (await self.status())["model"]["digest"]
        return found

    async def metric(self, name: str, **labels: str) -> float:
        """The value of a metric now, summed over the labels that are not given."""
        text = (await self._http.get("/metrics")).raise_for_status().text
        total = 0.0
        for line in text.splitlines():
            found = re.fullmatch(r"stream_al_(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                pairs = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                total += float(found[3]) if labels.items() <= pairs.items() else 0.0
        return total

    def resident_bytes(self) -> int:
        """The size of its resident set."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def send(self, number: signal.Signals) -> None:
        """Send a signal, and wait for nothing."""
        assert self._process is not None
        self._process.send_signal(number)

    async def signal(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.send(number)
        return await self.ended()

    async def ended(self, seconds: float = EXIT_SECONDS) -> int:
        """Wait until it ends by itself; the exit code."""
        assert self._process is not None
        try:
            return await asyncio.to_thread(self._process.wait, seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s:\n{self.tail()}") from None

    async def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        assert await self.signal(signal.SIGKILL) == -signal.SIGKILL

    async def terminate(self, seconds: float = EXIT_SECONDS) -> float:
        """Send SIGTERM, and wait for the end with exit code 0; how many seconds that took."""
        began = monotonic()
        self.send(signal.SIGTERM)
        code = await self.ended(seconds)
        took = monotonic() - began
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.tail()}"
        return took

    def said(self) -> str:
        """All that is on its standard error."""
        return self.stderr.read_text(errors="replace")

    def tail(self) -> str:
        """The end of its standard error."""
        return self.said()[-TAIL_CHARACTERS:]

    async def close(self) -> None:
        """Kill the process if it still runs, and close what belongs to it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)  # a paused process ends only after it goes on
            self._process.kill()
            await asyncio.to_thread(self._process.wait, EXIT_SECONDS)
        self._file.close()
        await self._http.aclose()
