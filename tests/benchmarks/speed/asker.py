"""Asks `/v1/predict` by a schedule. A process of its own.

    python -m tests.benchmarks.speed.asker URL RATE SECONDS

As open a loop as the stopwatch's: a question is due when it is due, whether those before it are answered or
not, and its time counts from then. Each goes over a connection on which nothing else is under way, kept open
from one question to the next. Written down to the socket: a client library takes two milliseconds of its own
for a question, on a processor that the service has use for. Prints the milliseconds of each.
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
    """Ask."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    head = f"POST /v1/predict HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: "
    questions = [
        f"{head}{len(body)}\r\n\r\n{body}".encode()
        for body in (json.dumps(row.features) for row in repeated(int(rate * seconds), "q"))
    ]
    free: list[Connection] = []
    taken: list[float] = []

    async def ask(question: bytes, due: float) -> None:
        connection = free.pop() if free else await asyncio.open_connection(host, port)
        await _answered(connection, question)
        taken.append(1e3 * (perf_counter() - due))
        free.append(connection)

    await ask(questions[0], perf_counter())  # the connection is there
    taken.clear()
    begin = perf_counter()
    async with asyncio.TaskGroup() as all_:
        for index, question in enumerate(questions):
            due = begin + index / rate
            await asyncio.sleep(max(0.0, due - perf_counter()))
            all_.create_task(ask(question, due))
    for _, writer in free:
        writer.close()
    return {"taken": taken}


async def _answered(connection: Connection, question: bytes) -> None:
    """Send a question and read its answer. Raises RuntimeError unless it is 200."""
    reader, writer = connection
    writer.write(question)
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    length = next(int(line[15:]) for line in headers if line.lower().startswith("content-length:"))
    answer = await reader.readexactly(length)
    if " 200 " not in status:
        raise RuntimeError(f"{status}: {answer.decode()}")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))))
