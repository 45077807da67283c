"""A load of requests to `/v1/predict`, by a schedule. A process of its own.

    python -m tests.benchmarks.speed.predict_load URL RATE SECONDS

The load is an open loop, as in `sample_load`. A request is due at its time, also if earlier ones have no
response yet, and its time counts from then. Each request has a connection without another request under way.
Connections stay open. The requests are written to the socket directly: a client library would need two
milliseconds of CPU time for each, on a processor that the service shares. It prints the milliseconds of each.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter
from urllib.parse import urlsplit

from tests.benchmarks.speed.stored import repeated

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def run(url: str, rate: float, seconds: float) -> dict[str, list[float]]:
    """Send the requests."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    head = f"POST /v1/predict HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: "
    requests = [
        f"{head}{len(body)}\r\n\r\n{body}".encode()
        for body in (json.dumps(row.features) for row in repeated(int(rate * seconds), "q"))
    ]
    free: list[Connection] = []
    taken: list[float] = []

    async def send(request: bytes, due: float) -> None:
        connection = free.pop() if free else await asyncio.open_connection(host, port)
        await _exchange(connection, request)
        taken.append(1e3 * (perf_counter() - due))
        free.append(connection)

    await send(requests[0], perf_counter())  # the first connection is open then
    taken.clear()
    begin = perf_counter()
    async with asyncio.TaskGroup() as group:
        for index, request in enumerate(requests):
            due = begin + index / rate
            await asyncio.sleep(max(0.0, due - perf_counter()))
            group.create_task(send(request, due))
    for _, writer in free:
        writer.close()
    return {"taken": taken}


async def _exchange(connection: Connection, request: bytes) -> None:
    """Send a request and read its response. Raises RuntimeError unless its status is 200."""
    reader, writer = connection
    writer.write(request)
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    length = next(int(line[15:]) for line in headers if line.lower().startswith("content-length:"))
    response = await reader.readexactly(length)
    if " 200 " not in status:
        raise RuntimeError(f"{status}: {response.decode()}")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))))
