"""What `/v1/quality` says of labels and annotators."""

from __future__ import annotations

import pytest

from stream_al.engine.trust import trust
from stream_al.identity import version_of
from stream_al.messages import Example
from stream_al.service.http.people import quality
from tests.service.http.people.quality_log import FEATURES, first, fold, further
from tests.support.http_client import Open


async def test_it_names_what_is_wrong_and_says_which_labels_it_is_about(opened: Open) -> None:
    world, replica, client = await opened("labels.second_share=0.1")
    await fold(
        world,
        replica,
        *(first(f"s{n}", reason="explore" if n % 2 else "uncertain") for n in range(10)),
        first("wrong", "down"),
        further("wrong", "up", "bob", ["ann"]),
        further("wrong", "up", "eve", ["ann", "bob"]),
        first("disputed", "up"),
        further("disputed", "down", "bob", ["ann"]),
        first("random", "down", reason="explore", p=0.95),
        first("doubted", "down", p=0.95),
        Example("s1", "down", annotator="bob", version=version_of(FEATURES)),
    )
    found = (await client.get("/v1/quality")).json()
    assert found["asked"] == {"per_query": 1, "second_share": 0.1}
    assert [(one["id"], one["kind"], one["other"]) for one in found["suspects"]] == [
        ("wrong", "second labels", "up"),
        ("disputed", "second labels", None),
        ("random", "drawn at random", "up"),
        ("doubted", "bought in doubt", "up"),
    ]
    assert {one["kind"] for one in found["suspects"]} == found["kinds"].keys()
    assert [one["id"] for one in found["disputes"]] == ["disputed"]
    assert found["disputes"][0]["labels"][1] == {"annotator": "bob", "label": "down"}
    assert [(one["id"], one["counts"], one["label"]) for one in found["conflicts"]] == [("s1", "up", "down")]
    (proposal,) = found["proposals"]
    assert (proposal["id"], proposal["offset"], proposal["consensus"]) == ("wrong", 10, "up")
    assert found["second_labels"]["number"] == 3
    assert found["second_labels"]["agreement"]["share"] == 0
    agreement = {one["annotator"]: one["agreement"]["share"] for one in found["annotators"]}
    assert agreement == {"ann": 0, "bob": pytest.approx(1 / 3), "eve": 0.5}
    cells = {(one["label"], one["predicted"]): one["labels"] for one in found["confusion"]["cells"]}
    assert cells == {("up", "up"): 11, ("down", "up"): 3}
    metrics = (await client.get("/metrics")).text
    assert 'stream_al_annotator_agreement_ratio{annotator="eve",bound="estimate"} 0.5' in metrics
    assert "stream_al_second_labels_agreement_ratio" in metrics


async def test_an_annotator_who_contradicts_the_rest_is_a_condition_and_a_metric(opened: Open) -> None:
    world, replica, client = await opened()
    log = []
    for n in range(60):
        log += [first(f"s{n}"), further(f"s{n}", "up", "bob", ["ann"])]
        log.append(further(f"s{n}", "down" if n % 2 else "up", "eve", ["ann", "bob"]))
    await fold(world, replica, *log)
    status = (await client.get("/v1/status")).json()
    held = {one["type"]: one["message"] for one in status["conditions"] if one["status"] == "True"}
    assert held.keys() == {"AnnotatorContradicts"}
    assert held["AnnotatorContradicts"].startswith("eve agree")
    assert replica.metric("contradicting_annotators") == 1
    assert (await client.get("/readyz")).status_code == 200


async def test_every_list_is_bounded(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "MOST", 3)
    monkeypatch.setattr(trust, "MOST_CONFLICTS", 3)
    world, replica, client = await opened()
    log = [first(f"s{n}") for n in range(10)]
    for n in range(10):
        log += [first(f"w{n}", "down"), further(f"w{n}", "up", "bob", ["ann"])]
        log += [further(f"w{n}", "up", "eve", ["ann", "bob"])]
        log += [first(f"d{n}"), further(f"d{n}", "down", "bob", ["ann"])]
        log += [Example(f"s{n}", "down", version=version_of(FEATURES))]
    await fold(world, replica, *log)
    found = (await client.get("/v1/quality")).json()
    assert [len(found[name]) for name in ("suspects", "disputes", "proposals")] == [3, 3, 3]
    assert len(found["conflicts"]) == 3
