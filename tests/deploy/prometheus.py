"""A real Prometheus for the tests: one process on a free loopback port, its data in a temporary directory."""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic, time
from typing import IO, Any

import httpx
import yaml

from tests.ports import free_port
from tests.support.replica import DEADLINE_SECONDS

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = PROMETHEUS / "alerts.yml"
SCRAPE_SECONDS = 0.5
Series = dict[str, Any]


def _cache() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "stream_al-tests" / "prometheus"


def programs() -> Path | None:
    """The directory with `prometheus` and `promtool`, fetched the first time; None if that fails."""
    found = shutil.which("prometheus")
    if found and shutil.which("promtool"):
        return Path(found).parent
    if not (_cache() / "usr" / "bin" / "promtool").exists() and not _fetch(_cache()):
        return None
    return _cache() / "usr" / "bin"


def _fetch(to: Path) -> bool:
    """Unpack Debian's package: an installed one would start a service."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        fetched = ["apt-get", "download", "-qq", "prometheus"]
        if subprocess.run(fetched, cwd=scratch, capture_output=True, check=False).returncode:  # noqa: S603
            return False  # no list of packages, or no way out
        (package,) = Path(scratch).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), f"{scratch}/all"], check=True)  # noqa: S603, S607
        with suppress(OSError):  # another test run was faster
            Path(scratch, "all").rename(to)
    return True


def hurried(rules: str) -> str:
    """The same rules with a second for every minute, so that a test does not last for hours.

    Only durations are shortened: windows, offsets and `for`. Conditions and limits stay.

    >>> hurried("increase(x[5m] offset 1h) > 3")
    'increase(x[5s] offset 60s) > 3'
    >>> hurried("for: 10m")
    'for: 10s'
    """

    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2]) * {'m': 1, 'h': 60}[found[3]]}s"

    return re.sub(r"(\[|offset |for: )(\d+)([mh])\b", shorter, rules)


class Prometheus:
    """One Prometheus that scrapes replicas of one application and evaluates the hurried rules."""

    def __init__(self, binaries: Path, directory: Path, application: str, ports: Iterable[int]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.began = time()
        self._log: IO[bytes] = (directory / "prometheus.log").open("ab")
        (directory / "alerts.yml").write_text(hurried(RULES.read_text(encoding="utf-8")), encoding="utf-8")
        config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": f"{SCRAPE_SECONDS * 1000:.0f}ms", "evaluation_interval": "1s"}
        scrape, *_ = config["scrape_configs"]
        config["scrape_configs"] = [scrape]  # the bridge to Label Studio has no address here
        scrape["job_name"] = application
        scrape["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        # Prometheus dies with us: a test runner that is killed leaves nothing behind.
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        command = [
            *guard,
            str(binaries / "prometheus"),
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)  # noqa: S603
        self._http = httpx.AsyncClient(base_url=self.url, timeout=DEADLINE_SECONDS, trust_env=False)

    async def start(self) -> None:
        """Wait until it responds."""
        end = monotonic() + DEADLINE_SECONDS
        while True:
            with suppress(httpx.TransportError):
                if (await self._http.get("/-/ready")).status_code == httpx.codes.OK:
                    return
            assert self._process.poll() is None, self.said()
            assert monotonic() < end, "Prometheus does not start"
            await asyncio.sleep(0.1)

    def said(self) -> str:
        """The end of its log."""
        return Path(self._log.name).read_text(errors="replace")[-2000:]

    async def now(self, query: str) -> list[Series]:
        """The series of a query as they stand."""
        return await self._series("/api/v1/query", query=query)

    async def history(self, query: str) -> list[Series]:
        """The series of a query from the start until now."""
        span = {"start": str(self.began), "end": str(time()), "step": "1"}
        return await self._series("/api/v1/query_range", query=query, **span)

    async def names(self, label: str, match: str) -> set[str]:
        """The values of a label, as Grafana's `label_values(match, label)` finds them."""
        response = await self._http.get(f"/api/v1/label/{label}/values", params={"match[]": match})
        return set(response.raise_for_status().json()["data"])

    async def firing(self) -> set[str]:
        """The alerts that fire now."""
        return {s["metric"]["alertname"] for s in await self.now('ALERTS{alertstate="firing"}')}

    async def fired(self) -> set[str]:
        """The alerts that have fired since the start."""
        return {s["metric"]["alertname"] for s in await self.history('ALERTS{alertstate="firing"}')}

    async def _series(self, path: str, **params: str) -> list[Series]:
        response = await self._http.get(path, params=params)
        assert response.status_code == httpx.codes.OK, f"{params['query']}: {response.text}"
        found: list[Series] = response.json()["data"]["result"]
        return found

    async def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        await self._http.aclose()


def numbers(series: Series) -> list[float]:
    """The finite values of a series."""
    pairs = series.get("values") or [series["value"]]
    return [number for _, text in pairs if math.isfinite(number := float(text))]
