"""The places of snapshots, without the service in between: a directory, and S3 as moto serves it.

moto is a process on the loopback address. The tests use plain HTTP, so that another client reads what the
client of the service has written.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import httpx
import pytest

from tests.ports import free_port
from tests.support.replica import DEADLINE_SECONDS

BUCKET = "snapshots"
KEY = "a key that nobody knows, long enough"
SECRET = "5ecret-that-must-not-show"  # noqa: S105 - a canary


class Place(Protocol):
    """A place for snapshots."""

    url: str
    """The value of `snapshots.directory`."""

    def belong_to(self, application: str) -> None:
        """Name the application that the snapshots belong to, if it is not the default one."""

    def files(self) -> list[str]:
        """Their names, sorted."""

    def get(self, name: str) -> bytes: ...

    def put(self, name: str, content: bytes) -> None: ...

    def delete(self, name: str) -> None: ...


class DirectoryPlace:
    """A directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = str(path)

    def belong_to(self, application: str) -> None:
        pass  # a directory belongs to one replica, and so to one application

    def files(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir()) if self.path.exists() else []

    def get(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def put(self, name: str, content: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(content)

    def delete(self, name: str) -> None:
        (self.path / name).unlink()


class S3Place:
    """The folder that an application has below the URL, in a bucket."""

    def __init__(self, server: S3Server) -> None:
        self._prefix = uuid4().hex[:8]
        self.url = f"s3://{BUCKET}/{self._prefix}"
        self._http = server.http
        self.belong_to("stream_al")

    def belong_to(self, application: str) -> None:
        self._folder = f"{self._prefix}/{application}/"

    def files(self) -> list[str]:
        response = self._http.get(f"/{BUCKET}", params={"list-type": "2", "prefix": self._folder})
        return sorted(re.findall(f"<Key>{self._folder}([^<]+)</Key>", response.raise_for_status().text))

    def get(self, name: str) -> bytes:
        return self._http.get(f"/{BUCKET}/{self._folder}{name}").raise_for_status().content

    def put(self, name: str, content: bytes) -> None:
        self._http.put(f"/{BUCKET}/{self._folder}{name}", content=content).raise_for_status()

    def delete(self, name: str) -> None:
        self._http.delete(f"/{BUCKET}/{self._folder}{name}").raise_for_status()


class S3Server:
    """moto's S3, with one bucket."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Until `ask_for_keys` any signature is accepted.
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}
        self.http = httpx.Client(base_url=self.url, headers=signed, timeout=DEADLINE_SECONDS, trust_env=False)
        end = time.monotonic() + DEADLINE_SECONDS
        while not self._made():
            assert self._process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)

    def _made(self) -> bool:
        try:
            return self.http.put(f"/{BUCKET}").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def freeze(self) -> None:
        """Accept connections and send no responses."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def ask_for_keys(self, yes: bool) -> None:
        """Set whether only known keys are accepted; no key is known."""
        self.http.post("/moto-api/reset-auth", content=b"0" if yes else b"inf").raise_for_status()

    def close(self) -> None:
        self.http.close()
        self._process.kill()
        self._process.wait()


def point_at(server: S3Server | None, patch: pytest.MonkeyPatch) -> None:
    """Set the environment of S3 clients. Without a server, no process listens at the address."""
    for name, value in {
        "AWS_ENDPOINT_URL": server.url if server else f"http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        patch.setenv(name, value)
