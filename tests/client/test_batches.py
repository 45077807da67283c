"""The laws of sending many records."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.client import AsyncClient, Client, ClientError, Refused
from stream_al.client.batches import Batches
from tests.client.label_server import LabelServer, problem


@given(
    sizes=st.lists(st.integers(0, 60), max_size=40),
    max_bytes=st.integers(10, 200),
    max_records=st.integers(1, 9),
    splits=st.sets(st.integers(0, 5)),
)
def test_every_record_is_sent_once_in_order_within_the_limits(
    sizes: list[int], max_bytes: int, max_records: int, splits: set[int]
) -> None:
    """Whatever is refused on the way. Only a record that is larger than a body goes beyond it, alone."""
    records = [{"id": n, "text": "x" * size} for n, size in enumerate(sizes)]
    cut, sent, turn = Batches(iter(records), max_bytes, max_records), [], 0
    while body := cut.take():
        found = json.loads(body)
        assert len(found) == cut.size <= max_records
        assert len(body) <= max_bytes or len(found) == 1
        turn += 1
        if turn in splits and cut.split():
            continue
        sent += found
    assert sent == records


def numbered(number: int) -> list[dict[str, Any]]:
    return [{"id": f"s{n}", "features": {"x": n}} for n in range(number)]


@pytest.mark.parametrize("limits", [{"max_bytes": 300}, {"max_records": 4}])
async def test_a_client_finds_the_limits_of_its_service(limits: dict[str, int]) -> None:
    server = LabelServer(**limits)  # type: ignore[arg-type]  # both are numbers
    with Client(transport=server.transport()) as client:
        assert client.send(numbered(30)) == [f"s{n}" for n in range(30)]
    async with AsyncClient(transport=server.transport()) as other:
        assert await other.send(iter(numbered(30))) == [f"s{n}" for n in range(30)]
    assert server.samples == numbered(30) * 2
    assert 1 < max(server.bodies) <= 10


def test_a_single_record_that_is_too_large_is_an_error_that_says_what_was_accepted() -> None:
    server = LabelServer(max_bytes=300)
    large = {"id": "large", "features": {"x": "x" * 400}}
    with Client(transport=server.transport(), max_records=2) as client, pytest.raises(Refused) as raised:
        client.send([*numbered(5), large, *numbered(5)])
    assert raised.value.accepted == len(server.samples) >= 4
    assert raised.value.too_large


def test_samples_without_an_id_are_not_sent_twice() -> None:
    """The service would take the second for another sample. Those with ids are."""
    one: dict[str, Any] = {"id": "a"}
    other: dict[str, Any] = {"features": {}}
    for samples, times in (([other], 1), ([one], 2), ([one, other], 1)):
        server = LabelServer()
        server.script.append(httpx.ReadError("lost"))
        with Client(transport=server.transport()) as client:
            if times == 1:
                with pytest.raises(ClientError, match="cannot be reached"):
                    client.send(samples)
            else:
                assert client.send(samples) == ["a"]
        assert len(server.seen) == times


def test_one_sample_is_sent_as_it_is() -> None:
    server = LabelServer()
    with Client(transport=server.transport()) as client:
        assert client.send({"id": "a", "amount": 1}) == ["a"]
        assert client.send([]) == []
    assert server.samples == [{"id": "a", "amount": 1}]


async def test_a_label_says_all_that_was_said_and_no_more() -> None:
    server = LabelServer()
    with Client(transport=server.transport(), annotator="ada") as client:
        assert client.label("a", 1, guess_shown=False, comment="odd", flagged=True) == "labelled"
        assert client.label("b", False) == "labelled"
        assert client.skip("c", "blurred") == "skipped"
        assert [one.expected for one in client.send_labels([{"id": "d", "label": "x"}] * 2)] == [
            "labelled"
        ] * 2
        client.correct("a", 2)
        assert client.predict({"amount": 1}).label == "ham"
    assert server.labels[:3] == [
        {"id": "a", "label": 1, "annotator": "ada", "guess_shown": False, "comment": "odd", "flagged": True},
        {"id": "b", "label": False, "annotator": "ada"},
        {"id": "c", "annotator": "ada", "skipped": True, "skip_reason": "blurred"},
    ]
    assert server.corrections == [{"id": "a", "label": 2, "annotator": "ada"}]
    before, server.labels = server.labels[:3], []
    async with AsyncClient(transport=server.transport(), annotator="ada") as other:
        await other.label("a", 1, guess_shown=False, comment="odd", flagged=True)
        await other.label("b", False)
        await other.skip("c", "blurred")
        await other.correct("a", 2)
        assert (await other.predict({"amount": 1})).model.examples == 3
        assert [one.id for one in await other.send_labels([{"id": "d", "label": "x"}])] == ["d"]
    assert server.labels[:3] == before
    assert server.corrections[1] == server.corrections[0]


def test_a_refusal_keeps_its_reason() -> None:
    server = LabelServer()
    server.script.append(problem(422, "no label", reason="no_label"))
    with Client(transport=server.transport()) as client, pytest.raises(Refused, match="no label") as raised:
        client.label("a", "")
    assert raised.value.reason == "no_label"
