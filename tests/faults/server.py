"""`stream-al serve` as a process that can be started strangely, paused, killed and watched from outside."""

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
from typing import Any

import httpx

from stream_al.demo.broker import free_port
from tests.support import processes

__all__ = ["Server"]

ROOT = Path(__file__).parents[2]
SERVE = ("-m", "stream_al", "serve")
TAIL = 4000


class Server(processes.Server):
    """One process of the service.

    Args:
        settings: Its settings, as on the command line.
        directory: Where its standard error and its snapshots go.
        name: Names both.
        env: Added to its environment.
        prefix: A command to run it under.
        program: What Python is to run, in place of `stream-al serve`.
    """

    def __init__(
        self,
        settings: Sequence[str],
        directory: Path,
        name: str,
        *,
        env: Mapping[str, str] = {},
        prefix: Sequence[str] = (),
        program: Sequence[str] = SERVE,
    ) -> None:
        super().__init__(settings, directory, name)
        port = free_port()
        given = [*settings, f"http.port={port}", "http.enabled=true", f"snapshots.directory={self.snapshots}"]
        sets = [part for setting in given for part in ("--set", setting)]
        self._arguments = [*prefix, sys.executable, *program, *sets]
        self._environment = processes.environment() | {"PYTHONPATH": str(ROOT)} | dict(env)
        self.url = f"http://127.0.0.1:{port}"
        self._probe = httpx.AsyncClient(base_url=self.url, timeout=10, trust_env=False)

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
        """Start, and wait for nothing."""
        self._process = await asyncio.to_thread(
            subprocess.Popen, self._arguments, stderr=self._file, env=self._environment, cwd=ROOT
        )

    async def start(self, seconds: float = processes.START_SECONDS) -> None:
        """Start, and wait until it says that it is ready."""
        await self.launch()
        async with asyncio.timeout(seconds):
            while await self.probe("/readyz") != httpx.codes.OK:
                assert self.code is None, self.tail()
                await asyncio.sleep(0.05)

    async def probe(self, path: str, seconds: float = 5.0) -> int:
        """The status code of a probe; 0 if nobody answers."""
        try:
            return (await self._probe.get(path, timeout=seconds)).status_code
        except httpx.TransportError:
            return 0

    async def status(self) -> dict[str, Any]:
        answer = await self._probe.get("/v1/status")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def metric(self, name: str, **labels: str) -> float:
        """A metric now, summed over the labels that are not given."""
        text = (await self._probe.get("/metrics")).raise_for_status().text
        total = 0.0
        for line in text.splitlines():
            found = re.fullmatch(r"stream_al_(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                pairs = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                total += float(found[3]) if labels.items() <= pairs.items() else 0.0
        return total

    def resident_bytes(self) -> int:
        """How much memory it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def send(self, number: signal.Signals) -> None:
        """Send a signal and wait for nothing."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self, seconds: float = processes.EXIT_SECONDS) -> int:
        """Wait for its end by itself; the exit code."""
        assert self._process is not None
        try:
            return await asyncio.to_thread(self._process.wait, seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s:\n{self.tail()}") from None

    async def kill(self) -> None:
        """Kill -9."""
        assert await self.signal(signal.SIGKILL) == -signal.SIGKILL

    async def terminate(self, seconds: float = processes.EXIT_SECONDS) -> float:
        """SIGTERM; the seconds until it had ended, with exit code 0."""
        began = monotonic()
        self.send(signal.SIGTERM)
        code = await self.ended(seconds)
        took = monotonic() - began
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.tail()}"
        return took

    def tail(self) -> str:
        """The end of its standard error."""
        return self.said()[-TAIL:]

    async def close(self) -> None:
        if self.code is None and self._process is not None:
            self.send(signal.SIGCONT)  # a stopped process is killed as well, and then waited for
        await super().close()
        await self._probe.aclose()
