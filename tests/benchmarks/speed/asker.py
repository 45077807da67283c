"""Asks `/v1/predict` by a schedule. A process of its own.

    python -m tests.benchmarks.speed.asker URL RATE SECONDS

As open a loop as the stopwatch's: a question is due when it is due, whether those before it are answered or
not, and its time counts from then. Prints the milliseconds of each.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter

import httpx

from tests.benchmarks.speed.stored import repeated


async def run(url: str, rate: float, seconds: float) -> dict[str, list[float]]:
    """Ask."""
    taken: list[float] = []

    async def ask(client: httpx.AsyncClient, features: dict[str, float], due: float) -> None:
        answer = await client.post("/v1/predict", json=features)
        answer.raise_for_status()
        taken.append(1e3 * (perf_counter() - due))

    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client,
        asyncio.TaskGroup() as all_,
    ):
        await client.get("/livez")  # the connection is there
        begin = perf_counter()
        for index, row in enumerate(repeated(int(rate * seconds), "q")):
            due = begin + index / rate
            await asyncio.sleep(max(0.0, due - perf_counter()))
            all_.create_task(ask(client, row.features, due))
    return {"taken": taken}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))))
