"""Metrics as Prometheus sees them, on the broker in memory."""

from __future__ import annotations

import re

import httpx

from stream_al.service.http.api import api
from tests.support.world import MakeWorld

NAME = re.compile(r"^(?:# TYPE )?(stream_al_\w+)", re.MULTILINE)


async def test_all_metrics_are_exposed_and_name_no_sample_and_no_annotator(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world()
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(60)])
    await world.label("unknown-id", "up")
    await world.until(
        lambda: replica.metric("dead_letters_total", stage="intake", reason="unknown_id"), "counted"
    )
    transport = httpx.ASGITransport(app=api(replica.app))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    names = set(NAME.findall(response.text))
    for name in METRICS:
        assert f"stream_al_{name}" in names, name
    labels = set(re.findall(r'[{,](\w+)="', response.text))
    known = {
        "decision",
        "reason",
        "partition",
        "topic",
        "stage",
        "outcome",
        "span",
        "bound",
        "class",
        "kind",
        "type",
        "le",
        "generation",
    }
    versions = {"version", "river", "python", "application", "implementation", "major", "minor", "patchlevel"}
    assert labels <= known | versions
    for word in ('"s1"', "unknown-id", '"ann"'):
        assert word not in response.text
    assert replica.metric("samples_total", decision="query", reason="warmup") > 0
    assert replica.metric("queries_total") == len(await world.queries())


METRICS = """
samples_total utility_bucket threshold budget_asked_labels_total budget_spent_labels_total budget_share_ratio
queries_total labels_total label_delay_seconds_count pending_queries pending_queries_limit
expired_queries_total examples_total model_update_duration_seconds_count model_examples model_classes
model_offset_lag accuracy_ratio snapshots_total batch_duration_seconds_count dead_letters_total paused ready
build_info problems_total condition
""".split()  # noqa: SIM905 - a table of words
