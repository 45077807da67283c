"""Where spans go: to the exporters that OpenTelemetry's variables name; without tracing nothing is loaded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stream_al.errors import Misconfigured
from stream_al.service.telemetry import exporters, tracing
from stream_al.settings import load
from tests.support.flow import run
from tests.support.replica import DEADLINE_SECONDS
from tests.support.spans import ALL, ON
from tests.support.world import MakeWorld

BY_ITSELF_SECONDS = 30.0  # after which OpenTelemetry gives up a collector that hangs


@contextmanager
def collector(responding: Event) -> Iterator[tuple[str, list[bytes]]]:
    """A collector for OTLP over HTTP: its address, and the bodies that it received."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            responding.wait()
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        responding.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("responds", [True, False])
async def test_spans_reach_a_collector_and_a_hanging_collector_delays_nothing(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, responds: bool
) -> None:
    responding = Event()
    if responds:
        responding.set()
    with collector(responding) as (url, got):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(10 * BY_ITSELF_SECONDS))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        world = await memory_world(ON, ALL, *([] if responds else ["limits.stop_seconds=2"]))
        replica = await world.start()
        await run(world, 20)
        async with asyncio.timeout(DEADLINE_SECONDS if responds else BY_ITSELF_SECONDS / 2):
            await replica.stop()
        await world.until(lambda: got, "the collector has received spans")
    requests = [ExportTraceServiceRequest.FromString(body) for body in got]
    (resource,) = {str(r.resource_spans[0].resource) for r in requests}
    assert f'string_value: "{world.settings.application}"' in resource
    assert "deployment.environment.name" in resource
    if responds:
        names = [
            s.name
            for r in requests
            for one in r.resource_spans
            for scope in one.scope_spans
            for s in scope.spans
        ]
        assert names.count(f"select {world.topics.samples}") == 20


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(
        Misconfigured, match=r"^tracing\.enabled: .*`python -m pip install 'stream_al\[otel\]'`$"
    ):
        tracing.tracing(load(overrides=[ON], environ={}))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "nosuch"}, "'nosuch'"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'otlp_proto_grpc'"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "smoke"}, "'otlp'"),
    ],
)
def test_a_missing_exporter_is_one_mistake(variables: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        exporters.processors(variables)
    (line,) = refused.value.mistakes
    assert line.startswith("tracing.enabled: ")
    assert said in line


def test_there_may_be_several_exporters_or_none() -> None:
    assert exporters.processors({"OTEL_TRACES_EXPORTER": "none"}) == []
    both = exporters.processors({"OTEL_TRACES_EXPORTER": "otlp, console"})
    assert len(both) == 2
    for processor in both:
        processor.shutdown()


SERVED = """
import asyncio, sys, tempfile
from pathlib import Path
from tests.support.flow import run
from tests.support.world import open_world

async def serve():
    world = await open_world(Path(tempfile.mkdtemp()), None, [])
    replica = await world.start()
    await run(world, 20)
    await replica.stop()
    assert replica.metric("snapshots_total", outcome="written")
    headers = [name for r in await world.records(world.topics.queries) for name, _ in r.headers]
    assert set(headers) <= {"stream_al.version"}
    await world.close()

asyncio.run(serve())
print(sorted({"opentelemetry", "fsspec", "s3fs", "botocore"} & set(sys.modules)))
"""


def test_a_service_without_extras_loads_none_of_them(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", SERVED], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
