"""Attacks on what people label with: leases, Explore, explanations, second labels, corrections, quality."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from tests.benchmarks.hostile.records import as_json, example, get, names, post, query
from tests.benchmarks.hostile.target import Target

__all__ = ["corrections", "explore", "lease_records", "lease_requests", "odd_requests", "seconds"]

HARD = (
    " or ".join(f"name{place} contains {'w' * 8}" for place in range(45)),
    " and ".join(["not (@id contains 9 or x is missing)"] * 20),
    "(" * 20 + "x > 0" + ")" * 20,
    "(" * 400,
    "x in (" + ",".join(["1"] * 400) + ")",
    '"' + "x" * 990,
)


async def _pending(target: Target, number: int) -> None:
    await target.send("queries", (query(n, {"x": 1.0}) for n in range(number)), lambda n: f"q{n}".encode())
    await target.rest()


async def lease_records(target: Target) -> None:
    """Leases of queries that are and are not, for ever, of one holder and of thousands, and their ends."""
    await _pending(target, 2000)
    number = target.number(20_000)

    def lease(n: int) -> bytes:
        one = {
            "lease": f"l{n}",
            "id": f"q{n % 4000}",
            "version": "v",
            "holder": f"h{n % 500}",
            "seconds": 1e9,
        }
        odd = {
            "seconds": -1,
            "until": 2**63 - 1,
            "annotator": "a" * 6000,
            "second_of": "x" * 6000,
            "holder": "",
        }
        return as_json(one | (dict([list(odd.items())[n % 5]]) if n % 3 == 0 else {"seconds": 60 + n % 900}))

    await target.send("leases", map(lease, range(number)), lambda n: f"l{n}".encode())
    await target.rest()
    await asyncio.gather(*(get(target, "/v1/status") for _ in range(20)))


async def lease_requests(target: Target) -> None:
    """Many sessions ask for as many queries as they may, and for more."""
    await _pending(target, target.number(9000))
    for first in range(0, target.number(1000), 10):
        wanted = [{"count": 50, "holder": f"session {first + n}", "annotator": f"ann {n}"} for n in range(9)]
        await asyncio.gather(*(post(target, "/v1/leases", as_json(one)) for one in wanted))
        await post(target, "/v1/leases", as_json({"count": 10**9, "holder": "x" * 10_000}))


async def explore(target: Target) -> None:
    """Wide samples, filters with all comparisons that are allowed, and explanations of each."""
    wide = {f"name{place}": f"{place} wwwwwwww" if place % 2 else float(place) for place in range(200)}
    numbers = {name: value for name, value in wide.items() if isinstance(value, float)}
    await target.send("examples", (example(n, numbers) for n in range(40)))
    await target.rest()
    await target.send("samples", (as_json({"id": f"s{n}", **wide}) for n in range(target.number(10_000))))
    await target.rest()
    await target.send("samples", (as_json({"id": f"w{n}", **names(0, 9000)}) for n in range(20)))
    await target.send("queries", [query(n, names(0, 9000)) for n in range(20)], lambda n: f"q{n}".encode())
    await target.rest()
    for where in HARD:
        await asyncio.gather(
            *(get(target, f"/v1/explore/items?limit=200&where={quote(where)}") for _ in range(5))
        )
    await asyncio.gather(*(get(target, "/v1/explore/points") for _ in range(20)))
    for number in (0, 5, 9000, -1, 2**53):
        await get(target, f"/v1/explore/items/{number}")
    asked = as_json({"numbers": list(range(500))})
    await asyncio.gather(*(post(target, "/v1/explore/ask", asked) for _ in range(5)))
    kept = as_json({"numbers": list(range(9000, 10_000))})
    await asyncio.gather(*(post(target, "/v1/explore/export", kept) for _ in range(5)))
    await post(target, "/v1/explore/export", b'{"numbers":[' + b",".join([b"1"] * 400_000) + b"]}")
    await asyncio.gather(*(get(target, f"/v1/explanations?id=q{n}") for n in range(20)))


async def seconds(target: Target) -> None:
    """Second labels of many annotators for samples that were labelled, of themselves, and of nothing."""
    number = target.number(5000)
    await target.send("examples", (_first(n) for n in range(500)))

    def second(n: int) -> bytes:
        more = {
            "second_of": (f"e{n % 500}", f"e{n}-2", "", "x" * 6000)[n % 7 % 4],
            "labelled_by": [f"ann {k}" for k in range(n % 40)] if n % 2 else ["a" * 500] * 1000,
        }
        return as_json(
            {
                "id": f"e{n}-2",
                "label": f"class {n % 200}",
                "annotator": f"ann {n % 1000}",
                **more,
                "reason": "second",
            }
        )

    await target.send("examples", map(second, range(number)))
    await target.rest()
    await asyncio.gather(*(get(target, "/v1/quality") for _ in range(20)))
    await get(target, "/v1/status")


def _first(n: int) -> bytes:
    shown = {"label": f"class {n % 200}", "probabilities": {f"class {k}": 0.005 for k in range(200)}}
    model = {"name": "model", "version": "0" * 12, "examples": 3}
    return as_json(
        {
            "id": f"e{n}",
            "label": f"class {n % 200}",
            "features": {"x": float(n)},
            "annotator": f"ann {n % 1000}",
            "propensity": 0.5,
            "reason": "exploration",
            "prediction": shown,
            "model": model,
        }
    )


async def corrections(target: Target) -> None:
    """Corrections of every example, again and again, so that the model is rebuilt without end."""
    await target.send("examples", (_first(n) for n in range(500)))
    await target.rest()
    some = (
        {"id": f"e{n % 700}", "label": f"class {n % 300}", "corrects": True, "annotator": f"ann {n % 9}"}
        for n in range(target.number(5000))
    )
    await target.send("examples", map(as_json, some))
    await target.rest()
    await asyncio.gather(*(get(target, "/v1/quality") for _ in range(20)))


async def odd_requests(target: Target) -> None:
    """Bodies that no route expects, of many members, and ids of any length."""
    await target.send("examples", (_first(n) for n in range(50)))
    await target.rest()
    many = as_json({f"m{n}": n for n in range(70_000)})
    for path in ("corrections", "leases", "explore/ask", "explore/export", "model/rollback", "model/restore"):
        for body in (many, b"[]", b"[" * 400_000, b'{"id":' + b"[" * 100 + b"]" * 100 + b"}"):
            await post(target, f"/v1/{path}", body)
    for one in ("e0", "nobody", "x" * 5000):
        for label in ("class 1", "c" * 5000, 10**30, True):
            await post(target, "/v1/corrections", as_json({"id": one, "label": label, "annotator": "a"}))
    await asyncio.gather(*(get(target, f"/v1/explanations?id={'x' * 4000}") for _ in range(50)))
