"""The attacks: each sends what one limit is there for, with the default settings unless it says otherwise.

Each returns when it has sent everything; the caller waits until the service is at rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.hostile import people
from tests.benchmarks.hostile.records import as_json, example, get, names, post, query
from tests.benchmarks.hostile.target import Target

__all__ = ["ATTACKS", "Attack"]

MAX_BYTES = 1_000_000
HALF_A_REQUEST = b"POST /v1/labels HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le"


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack.

    Attributes:
        name: Its name, in a few words.
        limit: The settings that limit what it may take.
        run: Sends it.
        settings: Settings that differ from the defaults.
    """

    name: str
    limit: str
    run: Callable[[Target], Awaitable[None]]
    settings: tuple[str, ...] = ()


async def _two_classes(target: Target, features: dict[str, Any]) -> None:
    """Teach two classes, so that the model is asked for predictions."""
    await target.send("examples", [example(n, features) for n in range(-20, 0)])
    await target.rest()


async def distinct_features(target: Target) -> None:
    await target.send("examples", (example(n, names(n, 2000)) for n in range(target.number(500))))


async def features_by_classes(target: Target) -> None:
    some = ((n, names(n, 2000), f"class {n}") for n in range(target.number(150)))
    await target.send("examples", (example(*one) for one in some))


async def wide_layouts(target: Target) -> None:
    await _two_classes(target, {"x": 1.0})
    await target.send("samples", (as_json(names(n, 9000)) for n in range(target.number(1000))))


async def huge_samples(target: Target) -> None:
    await _two_classes(target, {"x": 1.0})
    texts = {str(place): "w" * 98_000 for place in range(10)}
    await target.send("samples", (as_json({"id": f"s{n}", **texts}) for n in range(target.number(500))))


async def long_names(target: Target) -> None:
    """Names that are joined: a long one with each member of an array."""
    record = {"id": "long", "features": {"n" * 400_000: [1] * 9000}}
    await target.send("samples", (as_json(record) for _ in range(target.number(100))))


async def new_words(target: Target) -> None:
    def text(number: int) -> str:
        return " ".join(f"w{number}x{place}" for place in range(9000))

    some = ((n, {"body": text(n)}) for n in range(target.number(500)))
    await target.send("examples", (example(*one) for one in some))
    await target.rest()
    await target.send("samples", (as_json({"body": text(-n)}) for n in range(1, target.number(500))))


async def large_queries(target: Target) -> None:
    features = {str(place): "w" * 75_000 for place in range(10)}
    number = target.number(1000)
    await target.send("queries", (query(n, features) for n in range(number)), lambda n: f"q{n}".encode())


async def pages_of_queries(target: Target) -> None:
    number, features = target.number(9000), {str(place): "w" * 1000 for place in range(10)}
    await target.send("queries", (query(n, features) for n in range(number)), lambda n: f"q{n}".encode())
    await target.rest()
    for _ in range(5):
        await asyncio.gather(*(get(target, "/v1/queries?limit=1000") for _ in range(20)))


async def wide_pages(target: Target) -> None:
    """Pages that hold few queries, of many features each."""
    await target.send("queries", (query(n, names(n, 9000)) for n in range(50)), lambda n: f"q{n}".encode())
    await target.rest()
    await asyncio.gather(*(get(target, "/v1/queries?limit=1000") for _ in range(20)))


async def many_records(target: Target) -> None:
    for path, one in (("samples", {"x": 1}), ("labels", {"id": "a", "label": 1})):
        for number in (100_000, 10_000):
            await post(target, f"/v1/{path}", as_json([one] * number))


def _worst_values() -> Iterator[bytes]:
    """Values of JSON that fill the bytes of a record, each costly in another way."""
    yield b"[" + b",".join([b"[" * 100 + b"]" * 100] * 4900) + b"]"
    yield b"[" + b",".join([b"{}"] * 330_000) + b"]"
    yield b"[" + b",".join([b"1"] * 498_000) + b"]"
    yield b"{" + b",".join(b'"%x":1' % place for place in range(95_000)) + b"}"
    yield b"{" + b",".join(b'"%x":[[]]' % place for place in range(75_000)) + b"}"
    yield b'"' + b"\\u0041" * 160_000 + b'"'
    yield b"[" * 450_000 + b"]" * 450_000


async def worst_records(target: Target) -> None:
    for value in _worst_values():
        record = b'{"id":"a","label":"x","features":{"x":' + value + b"}}"
        for topic in ("samples", "labels", "queries", "examples", "control"):
            await target.send(topic, [record] * 3, lambda n: b"a")


async def worst_bodies(target: Target) -> None:
    for value in _worst_values():
        for path in ("samples", "labels", "predict"):
            await post(target, f"/v1/{path}", b'{"id":"a","label":"x","features":{"x":' + value + b"}}")
            await post(target, f"/v1/{path}", value)


async def wide_examples(target: Target) -> None:
    await target.send("examples", (example(n, names(0, 9000)) for n in range(target.number(500))))


async def wide_predictions(target: Target) -> None:
    """Samples with all features of a model of many classes."""
    some = ((n, names(0, 600), f"class {n % 150}") for n in range(300))
    await target.send("examples", (example(*one) for one in some))
    await target.rest()
    samples = (as_json({"id": f"s{n}", **names(0, 600)}) for n in range(target.number(1000)))
    await target.send("samples", samples)


async def digests(target: Target) -> None:
    some = ((n, names(0, 1000), f"class {n % 100}") for n in range(200))
    await target.send("examples", (example(*one) for one in some))
    await target.rest()
    for _ in range(target.number(30)):
        await get(target, "/v1/status")
        await target.send("examples", [example(1000 + _, {"x": 1.0})])


async def idle_connections(target: Target) -> None:
    opened = []
    for first in (b"", HALF_A_REQUEST):
        opened += target.sockets(target.number(2000), first)
    await asyncio.sleep(2)
    for one in opened:
        one.close()


async def hostile_records(target: Target) -> None:
    deep = b'{"id":"deep","label":"up","features":' + b'{"x":' * 900 + b"1" + b"}" * 900 + b"}"
    junk = [b"", b"\xff\xfe", b"[" * 100_000, b'{"id":"\\ud800"}', b"9" * 5000, deep, b"null", b"{}"]
    for topic in ("queries", "examples", "control", "labels", "samples"):
        await target.send(topic, junk * target.number(500), lambda n: b"settings")


async def unknown_labels(target: Target) -> None:
    number = target.number(100_000)
    await target.send("labels", (as_json({"id": f"nobody{n}", "label": "x"}) for n in range(number)))


async def dead_letters(target: Target) -> None:
    value = b'{"x":"' + b"w" * 9000
    await target.send("samples", ([value, b'{"x":1}'][n % 2] for n in range(target.number(20_000))))


async def long_classes(target: Target) -> None:
    number = target.number(1500)
    some = ((n, {"x": float(n)}, f"{n}" + "c" * 500) for n in range(number))
    await target.send("examples", (example(*one) for one in some))
    await target.rest()
    await target.send("samples", (as_json({"id": f"s{n}", "x": n / 10}) for n in range(target.number(5000))))
    await get(target, "/metrics")
    await get(target, "/v1/status")


async def sparse_snapshot(target: Target) -> None:
    """A snapshot with a right header, as large as one may be, which holds nothing behind its beginning."""
    await target.send("examples", [example(n, {"x": float(n)}) for n in range(20)])
    await target.rest()
    await target.server.terminate()
    await asyncio.to_thread(_write_sparse, target)
    await target.server.start()


def _write_sparse(target: Target) -> None:
    for place in target.server.snapshots.glob("*.snapshot"):
        with place.open("r+b") as file:
            file.truncate(2**30)


BAYES = ("model.definition=GaussianNB()",)
WORDS = ('model.definition=BagOfWords(on="body") | MultinomialNB()',)
ATTACKS = (
    Attack("500 examples of 2,000 new names each, `auto`", "bounds of `auto`", distinct_features),
    Attack(
        "500 examples of 2,000 new names each, `GaussianNB()`",
        "`model.max_features`",
        distinct_features,
        BAYES,
    ),
    Attack("150 classes with 2,000 new names each, `auto`", "bounds of `auto`", features_by_classes),
    Attack(
        "150 classes with 2,000 new names each, `GaussianNB()`",
        "`model.max_pairs`",
        features_by_classes,
        BAYES,
    ),
    Attack("1,000 samples of 9,000 new names each", "`input.max_features`", wide_layouts),
    Attack("500 samples of 980,000 bytes", "`input.max_bytes`", huge_samples),
    Attack("100 samples whose joined names are long", "`input.max_name`", long_names),
    Attack("500 texts of 9,000 new words each, `auto`", "bounds of `auto`", new_words),
    Attack("500 texts of 9,000 new words each, `BagOfWords`", "`model.max_features`", new_words, WORDS),
    Attack("1,000 queries of 750,000 bytes", "`queries.max_pending_bytes`", large_queries),
    Attack("100 pages of 1,000 queries of 10,000 bytes", "`http.max_page_bytes`", pages_of_queries),
    Attack("20 pages of queries with 9,000 features", "`http.max_page_bytes`", wide_pages),
    Attack("requests of 100,000 and of 10,000 records", "`http.max_records`", many_records),
    Attack(
        "records of the largest size, deeply nested or of many members", "`input.max_bytes`", worst_records
    ),
    Attack("bodies of the same kinds", "`http.max_body_bytes`", worst_bodies),
    Attack("500 examples of the same 9,000 features, `auto`", "`input.max_features`", wide_examples),
    Attack(
        "500 examples of the same 9,000 features, `GaussianNB()`",
        "`model.max_features`",
        wide_examples,
        BAYES,
    ),
    Attack("1,000 samples of 600 features, 150 classes, `auto`", "`model.max_classes`", wide_predictions),
    Attack(
        "1,000 samples of 600 features, 150 classes, `GaussianNB()`",
        "`model.max_pairs`",
        wide_predictions,
        BAYES,
    ),
    Attack("30 digests of a model of 60,000 pairs", "`model.max_pairs`", digests, BAYES),
    Attack("4,000 idle and half-open connections", "`http.max_connections`", idle_connections),
    Attack("20,000 hostile records in all topics", "`limits.bad_records`", hostile_records),
    Attack("100,000 labels for unknown ids", "dead letters", unknown_labels),
    Attack("10,000 dead letters of 9,000 bytes", "dead letters", dead_letters),
    Attack("1,500 classes with names of 500 characters", "`model.max_classes`", long_classes),
    Attack("20,000 records on the topic of leases", "10,000 leases", people.lease_records),
    Attack("1,000 requests for 50 leases each", "50 leases a holder", people.lease_requests),
    Attack(
        "Explore with 10,000 wide samples, hard filters", "filters, `http.max_page_bytes`", people.explore
    ),
    Attack(
        "Explore and explanations with wide samples, `GaussianNB()`",
        "`model.max_features`",
        people.explore,
        BAYES,
    ),
    Attack("5,000 second labels of 1,000 annotators, `/v1/quality`", "bounds of trust", people.seconds),
    Attack(
        "5,000 corrections of each other, in the topic", "half of the time for rebuilds", people.corrections
    ),
    Attack("requests for corrections and explanations", "`http.max_body_bytes`", people.odd_requests),
    Attack("a snapshot of 1 GiB that holds nothing", "`snapshots.max_bytes`", sparse_snapshot),
)
