"""What one request may take has bounds, in records and in bytes."""

from __future__ import annotations

from typing import Any

from stream_al.messages import encode
from tests.support.http_client import Open

PAGE = "http.max_page_bytes=1500"


async def test_a_page_of_queries_has_a_bound_in_bytes_and_paging_reaches_all(opened: Open) -> None:
    world, replica, client = await opened(PAGE)
    await world.ask(*(f"q{number}" for number in range(10)))
    await world.until(lambda: len(replica.app.pending) == 10, "the queries are read")
    seen: list[str] = []
    while len(seen) < 10:
        page = (await client.get("/v1/queries", params={"limit": 1000, "offset": len(seen)})).json()
        assert page["total"] == 10
        assert page["queries"], "a page holds one query at least"
        size = sum(len(encode(query)) for query in page["queries"])
        assert size <= 1500 or len(page["queries"]) == 1
        seen += [query["id"] for query in page["queries"]]
    assert len(set(seen)) == 10


async def test_a_query_larger_than_a_page_is_shown_alone(opened: Open) -> None:
    world, replica, client = await opened("http.max_page_bytes=1")
    await world.ask("a", "b")
    await world.until(lambda: len(replica.app.pending) == 2, "the queries are read")
    page = (await client.get("/v1/queries")).json()
    assert len(page["queries"]) == 1


async def test_a_request_with_too_many_records_is_refused_and_sends_none(opened: Open) -> None:
    world, _, client = await opened("http.max_records=5")
    samples = [{"id": str(number), "features": {"x": 1}} for number in range(6)]
    labels = [{"id": str(number), "label": "up"} for number in range(6)]
    for path, records in (("/v1/samples", samples), ("/v1/labels", labels)):
        refused = await client.post(path, json=records)
        assert (refused.status_code, refused.json()["reason"]) == (422, "too_many_records")
        assert (await client.post(path, json=records[:5])).status_code == 202
    assert len(await world.records(world.topics.samples)) == 5
    assert len(await world.records(world.topics.labels)) == 5


async def test_a_list_of_anything_but_objects_gets_one_short_error(opened: Open) -> None:
    """An error for each element would take seconds, and a response larger than the request."""
    _, _, client = await opened()
    values: tuple[Any, ...] = (1, None, "x", [], True)
    for path in ("/v1/samples", "/v1/labels"):
        for value in values:
            refused = await client.post(path, json=[{"id": "a", "x": 1}, *[value] * 1000])
            assert (refused.status_code, refused.json()["reason"]) == (422, "not_an_object")
            assert len(refused.content) < 500
