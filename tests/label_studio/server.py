"""A real Label Studio for tests, installed in an environment of its own.

Its many packages pin versions that ours must not have. So it gets a virtual environment in the user's cache
directory. The first start makes its SQLite database, which takes up to two minutes. The file is kept, and
every later start begins with a copy of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx

from tests.cache import held_cache
from tests.ports import free_port

__all__ = ["LABEL_STUDIO_VERSION", "PASSWORD", "LabelStudio"]

LABEL_STUDIO_VERSION = "1.23.2"
TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - of a server that only this test reaches
PASSWORD = "label-studio-test"  # noqa: S105
INSTALL_SECONDS = 900
START_SECONDS = 300
DATABASE = "label_studio.sqlite3"
SETTINGS = {
    "LABEL_STUDIO_USERNAME": "annotator@example.com",
    "LABEL_STUDIO_PASSWORD": PASSWORD,
    "LABEL_STUDIO_USER_TOKEN": TOKEN,
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    "SSRF_PROTECTION_ENABLED": "false",  # webhooks go to the loopback address
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "FEATURE_FLAGS_OFFLINE": "true",
}
# The parent-death signal fires when the thread that forked ends, so one thread forks them all.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="label-studio-spawn")


class LabelStudio:
    """One server. Its port and its data stay the same when it is stopped and started.

    Args:
        directory: Where its data is.

    Attributes:
        url: Its address.
        token: A legacy token of an account that may do everything.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = TOKEN
        self._directory = directory
        self._log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def begin(cls, directory: Path) -> LabelStudio:
        """A running server with an empty database."""
        prepared = installed() / DATABASE
        directory.mkdir(parents=True, exist_ok=True)
        with held_cache("label-studio-database") as cache:
            if not prepared.exists():
                with tempfile.TemporaryDirectory(dir=cache) as scratch:
                    first = cls(Path(scratch))
                    first.start()
                    first.stop()
                    Path(scratch, DATABASE).rename(prepared)
        shutil.copy(prepared, directory / DATABASE)
        server = cls(directory)
        server.start()
        return server

    def start(self) -> None:
        """Start the process, and wait until it serves."""
        command = [
            *(["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []),
            str(installed() / "env" / "bin" / "label-studio"),
            *("start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(self.port)),
        ]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        env |= SETTINGS | {"LABEL_STUDIO_BASE_DATA_DIR": str(self._directory)}
        with self._log.open("ab") as out:
            start = _SPAWNER.submit(
                subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env
            )
            self._process = process = start.result()
        end = time.monotonic() + START_SECONDS
        while not self.serves():
            if process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"Label Studio did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.2)

    def serves(self) -> bool:
        """Whether it responds."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health", timeout=5, trust_env=False).status_code == httpx.codes.OK
        return False

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.wait(10)
            self._process = None


def installed() -> Path:
    """The directory of the environment; it is made at the first call. One that is cut off is never used."""
    name = f"label-studio-{LABEL_STUDIO_VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"
    with held_cache("label-studio") as folder:
        cache = folder / name
        if not (cache / "complete").exists():
            shutil.rmtree(cache, ignore_errors=True)
            cache.mkdir(parents=True)
            _run([sys.executable, "-m", "venv", str(cache / "env")])
            pip = [str(cache / "env" / "bin" / "python"), "-m", "pip", "install", "-q", "--no-input"]
            _run([*pip, f"label-studio=={LABEL_STUDIO_VERSION}"])
            (cache / "complete").touch()
        return cache


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
