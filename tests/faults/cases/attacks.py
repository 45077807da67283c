"""Attacks on a running service: by files, by pages in a browser, by connections, by wide and odd records."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.faults import oracles
from tests.faults.cases.trust import same_digests
from tests.faults.fault import Fault
from tests.faults.flow import drain, has_decided, labelling, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.processes import Server
from tests.support.replica import DEADLINE_SECONDS
from tests.support.world import HOSTILE

__all__ = ["FAULTS"]

MB = 10**6
TOKENS = {"admin": "a" * 40, "read": "r" * 40}
OUTSIDE = "https://evil.example"
FOREIGN: tuple[dict[str, str], ...] = (
    {"Origin": OUTSIDE},
    {"Origin": "null"},
    {"Host": "evil.example"},
    {"Host": "0.0.0.0"},  # noqa: S104 - the name that a page uses
    {"Sec-Fetch-Site": "cross-site"},
)
HALF_A_HEAD = b"POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Le"


async def huge_snapshots(testbed: Testbed) -> Figures:
    """The snapshots are replaced by sparse files of 1 GiB, by pipes and by links."""
    world = await testbed.world()
    server = testbed.server(world, "a")
    await server.start()
    ids = {made["id"] for made in await world.samples(60)}
    await drain(world, ids, [server])
    digest, before, most = await server.digest(), _peak(server), 0
    for replace in (_sparse, _pipe, _link):
        await server.terminate()
        replaced = await asyncio.to_thread(_replace_all, server.snapshots, replace)
        assert replaced, "there is no snapshot to replace"
        await server.start()
        assert await server.digest() == digest, "the model is another one"
        assert "snapshot discarded" in server.said()
        most = max(most, _peak(server))
    assert most - before < 200 * MB, f"{(most - before) // MB} MB more for a file that holds nothing"
    await oracles.check_learned_once(world, await oracles.statuses([server]))
    return {"samples": len(ids), "restarts": 3, "MB more": (most - before) // MB}


def _replace_all(directory: Path, replace: Any) -> int:
    names = list(directory.glob("*.snapshot"))
    for path in names:
        replace(path)
    return len(names)


def _sparse(path: Path) -> None:
    with path.open("r+b") as file:  # the header stays
        file.truncate(2**30)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _peak(server: Server) -> int:
    """The largest resident set of a process until now, in bytes."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def token_files(testbed: Testbed) -> Figures:
    """The file of the tokens is emptied, torn, opened to all, deleted and restored while the service runs."""
    world = await testbed.world()
    file, whole = world.directory / "tokens", "".join(f"{r} {r}s {t}\n" for r, t in TOKENS.items())
    _write(file, whole)
    server = testbed.server(world, "a", f"http.tokens_file={file}")
    await server.start()
    changes = 0
    async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_SECONDS, trust_env=False) as client:

        async def granted() -> int:
            """How many of all that a client may try is granted."""
            tried = [*TOKENS.values(), TOKENS["admin"][:-1], "", "admin", "admins"]
            codes = [await _ask(client, token) for token in tried]
            return sum(code == httpx.codes.OK for code in codes)

        async def grants(number: int) -> bool:
            return await granted() == number

        spoilings: tuple[Callable[[], None], ...] = (
            lambda: _write(file, ""),
            lambda: _write(file, whole[:-1]),
            lambda: _write(file, whole[: len(whole) // 3]),
            lambda: file.chmod(0o666),
            file.unlink,
        )
        for spoil in spoilings:
            await wait_until(lambda: grants(len(TOKENS)), "the tokens are granted")
            spoil()
            changes += 1
            await wait_until(lambda: grants(0), "they are revoked")
            for _ in range(20):
                assert await granted() == 0, "a file that cannot be used grants something"
            _write(file, whole)
        await wait_until(lambda: grants(len(TOKENS)), "the tokens are granted again")
        ids = {made["id"] for made in await world.samples(30)}
        await wait_until(lambda: has_decided(world, ids), "the stream goes on")
    return {"samples": len(ids), "changes": changes, "granted": 0}


def _write(file: Path, text: str) -> None:
    """Write a file as an editor does: another one takes its place."""
    other = file.with_suffix(".new")
    other.write_text(text)
    other.chmod(0o640)
    other.replace(file)


async def _ask(client: httpx.AsyncClient, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return (await client.get("/v1/status", headers=headers)).status_code


async def foreign_pages(testbed: Testbed) -> Figures:
    """Pages of other sites ask a service without tokens for all that it can do, under every kind of name."""
    world = await testbed.world()
    server = testbed.server(world, "a")
    await server.start()
    ids = {made["id"] for made in await world.samples(30)}
    await drain(world, ids, [server])
    digest, tried, served = await server.digest(), 0, 0
    async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_SECONDS, trust_env=False) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        budget = (await client.get("/v1/settings")).json()
        for path, methods in paths.items():
            for method in methods:
                for headers in FOREIGN:
                    if path in ("/livez", "/readyz") and "Host" in headers:
                        continue  # a probe may name its host as it likes
                    body = None if method == "get" else json.dumps([{"id": "s0", "label": "x"}])
                    kind = {"Content-Type": "application/json"} if body else {}
                    code = (
                        await client.request(method, path, content=body, headers={**headers, **kind})
                    ).status_code
                    tried += 1
                    served += code < 300 and path not in ("/livez", "/readyz")
        assert served == 0, f"{served} of {tried} requests of foreign pages were served"
        assert (await client.get("/v1/settings")).json() == budget, "a foreign page has changed the budget"
    more = {made["id"] for made in await world.samples(30, start=30)}
    await drain(world, ids | more, [server])
    assert await server.digest() != digest, "nothing is learned any more"
    figures = await oracles.check_all(world, [server])
    return {**await oracles.tally(world, ids | more), **figures, "tried": tried, "served": served}


async def connection_flood(testbed: Testbed) -> Figures:
    """Thousands of connections say nothing, or half of a request, and stay open."""
    world = await testbed.world()
    server = testbed.server(world, "a")
    await server.start()
    number = 500 if testbed.quick else 4000
    before, log, opened = server.resident_bytes(), len(server.said()), list[socket.socket]()
    try:
        for first in (b"", HALF_A_HEAD):
            opened += await asyncio.to_thread(_connect, server.port, number // 2, first)
        ids = {made["id"] for made in await world.samples(200)}
        for _ in range(20):
            assert await server.probe("/livez") == httpx.codes.OK, "a probe is kept out"
        await drain(world, ids, [server])
        grown, written = server.resident_bytes() - before, len(server.said()) - log
    finally:
        for one in opened:
            one.close()
    assert grown < 100 * MB, f"{grown // MB} MB for {number} connections"
    assert written < 100_000, f"{written} bytes of log"
    figures = await oracles.check_all(world, [server])
    tally = await oracles.tally(world, ids)
    return {**tally, **figures, "connections": number, "MB more": grown // MB, "log bytes": written}


def _connect(port: int, number: int, first: bytes) -> list[socket.socket]:
    opened = []
    for _ in range(number):
        one = socket.create_connection(("127.0.0.1", port), timeout=30)
        one.sendall(first)
        opened.append(one)
    return opened


async def wide_records(testbed: Testbed) -> Figures:
    """Every example brings another class and 2,000 names of features that no other one has."""
    world = await testbed.world("model.max_pairs=20000", "model.max_features=5000")
    servers = [testbed.server(world, name) for name in "ab"]
    for server in servers:
        await server.start()
    ids = {made["id"] for made in await world.samples(30)}
    await drain(world, ids, servers)
    before, number = [server.resident_bytes() for server in servers], 150
    wide = (
        {"id": f"w{n}", "label": f"class {n}", "features": {f"f{n}-{k}": 1.0 for k in range(2000)}}
        for n in range(number)
    )
    await world.send(world.topics.examples, wide, None, (HOSTILE,))
    joined = {"id": "j", "features": {"n" * 900_000: list(range(9000))}}
    await world.send(world.topics.samples, [joined] * 20, None, (HOSTILE,))
    await wait_until(lambda: same_digests(world, servers), "both have learned all", 300)
    async with labelling(world):
        more = {made["id"] for made in await world.samples(30, start=30)}
        await wait_until(lambda: has_decided(world, more), "the stream goes on", 300)
    await wait_until(lambda: same_digests(world, servers), "both have learned all", 300)
    grown = max(s.resident_bytes() - b for s, b in zip(servers, before, strict=True))
    assert grown < 300 * MB, f"{grown // MB} MB for {number} examples"
    letters = await servers[0].metric("dead_letters_total", stage="select", reason="name_too_long")
    letters += await servers[1].metric("dead_letters_total", stage="select", reason="name_too_long")
    assert letters == 20, f"{letters} dead letters for names that are too long"
    for server in servers:  # and at the next start
        await server.terminate()
        await server.start()
    await wait_until(lambda: same_digests(world, servers), "both have the same model again", 300)
    return {"samples": len(ids | more), "examples": number, "MB more": grown // MB, "dead letters": letters}


async def hostile_changes(testbed: Testbed) -> Figures:
    """Somebody writes thousands of records to the topic of the changes that say nothing that may be said."""
    world = await testbed.world()
    servers = [testbed.server(world, name) for name in "ab"]
    for server in servers:
        await server.start()
    ids = {made["id"] for made in await world.samples(30)}
    await drain(world, ids, servers)
    at = {"changed_at": "2026-01-01T00:00:00Z"}
    shares: tuple[Any, ...] = (-1, 0, 2, "all", 1e308, [])
    bad: list[tuple[bytes, Any]] = [
        *((b"settings", {"budget": {"share": share}, **at}) for share in shares),
        (b"settings", {"budget": {"pending": 10**30}, **at}),
        (b"settings", {"budget": {"pending": 0}, **at}),
        (b"settings", b'{"budget":' + b'{"share":' * 500 + b"1" + b"}" * 501),
        (b"settings", b'{"budget":{"share":NaN},"changed_at":"x"}'),
        (b"model", {"voided": [[5, 2**63]], **at}),
        (b"model", {"voided": [[-1, 2]], **at}),
        (b"model", {"voided": [[n, n + 1] for n in range(200)], **at}),
        (b"model", {"voided": [[0, "1"]], **at}),
        (b"model", b"[" * 900_000),
        (b"lease", {"owner": "nobody", "until": "9999-12-31T00:00:00Z"}),
        (b"select", {"offset": 10**18, "state": {"spent": 10**18}}),
        (b"\xff\xfe", b"\x00" * 1000),
        (b"", {}),
    ]
    times = 5 if testbed.quick else 100
    await world.send(
        world.topics.control, [v for _, v in bad] * times, [k for k, _ in bad] * times, (HOSTILE,)
    )

    async def passed_over() -> bool:
        rows = [(await server.status())["problems"] for server in servers]
        return all(sum(row["count"] for row in found) >= len(bad) * times for found in rows)

    await wait_until(passed_over, "all are passed over, and reported")
    async with labelling(world):
        ids |= {made["id"] for made in await world.samples(30, start=30)}
        await drain(world, ids, servers)
    for server in servers:
        await server.terminate()
        await server.start()
    await drain(world, ids, servers)
    figures = await oracles.check_all(world, servers)
    return {**await oracles.tally(world, ids), **figures, "hostile": len(bad) * times}


FAULTS = (
    Fault(
        "huge-snapshots",
        "the snapshots are replaced by sparse files of 1 GiB, by pipes and by links",
        "they are discarded before they are read; the start needs no more memory, and the model is the same",
        huge_snapshots,
    ),
    Fault(
        "token-files",
        "the file of the tokens is emptied, torn, opened to all, and deleted while the service runs",
        "its tokens are revoked, and nothing is granted, until it is in order again",
        token_files,
    ),
    Fault(
        "foreign-pages",
        "pages of other sites ask a service without tokens for all that it can do",
        "none of it is served, reading included, and nothing changes",
        foreign_pages,
    ),
    Fault(
        "connection-flood",
        "thousands of connections say nothing, or half of a request",
        "probes are served, the stream goes on, and neither memory nor log grows with them",
        connection_flood,
    ),
    Fault(
        "wide-records",
        "every example has another class and 2,000 new names; names of samples have 900,000 characters",
        "the model keeps what came first, up to its bounds, on all replicas; the samples are dead letters",
        wide_records,
    ),
    Fault(
        "hostile-changes",
        "somebody writes thousands of records to `control` that say nothing that may be said",
        "none changes anything; each is passed over and counted, now and at the next start",
        hostile_changes,
    ),
)
