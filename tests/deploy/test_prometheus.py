"""Alerts and panels on a real broker, with two replicas as processes and a real Prometheus that scrapes them.

One stream goes through five phases: normal, drift, bad records, no annotators, a crash. A minute of the
rules lasts a second (`tests.deploy.prometheus.hurried`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

import pytest

from deploy.grafana import dashboard
from deploy.grafana.picture import MAIN, Source, draw
from tests.broker.address import KafkaAddress
from tests.deploy.prometheus import Prometheus, numbers
from tests.support.processes import Server
from tests.support.stream import truth
from tests.support.world import MakeWorld, World

CAP = 60
# Of the default model, so that the panels of its members have data.
SETTINGS = [
    "model.definition=auto",
    "budget.share=0.5",
    f"budget.pending={CAP}",
    "limits.watchdog_seconds=20",
]
OTHER = {"up": "down", "down": "up"}
RIGHT = {"StreamAlDeadLetters", "StreamAlDown", "StreamAlDrift", "StreamAlPendingAtCap"}
SLOW = {"StreamAlNotReady"}
"""Alerts that may also fire: they do on a machine where a replica needs more than 5 s to start."""


@dataclass
class Scene:
    """The world, the replicas and the Prometheus of the test."""

    world: World
    servers: list[Server]
    prometheus: Prometheus
    sent: int = 0
    labelled: set[str] = field(default_factory=set)

    async def stream(self, number: int, *, turned: bool = False) -> None:
        """Send samples and label the queries. With `turned` the two classes are exchanged."""
        for _ in range(number // 20):
            await self.world.samples(20, start=self.sent)
            self.sent += 20
            await self.label(turned=turned)

    async def label(self, *, turned: bool) -> None:
        asked = {q["id"]: q for q in await self.world.queries() if q["id"] not in self.labelled}
        self.labelled |= asked.keys()
        said = {i: truth(q["features"]) for i, q in asked.items()}
        labels = [
            {"id": i, "label": OTHER[true] if turned else true, "annotator": "ann"}
            for i, true in said.items()
        ]
        await self.world.send(self.world.topics.labels, labels)

    async def second_label(self) -> None:
        """Let another annotator label a sample that has a label."""
        first = (await self.world.queries())[0]
        given = {"label": truth(first["features"]), "annotator": "bob", "labelled_by": ["ann"]}
        of = {"id": f"{first['id']}~2", "second_of": first["id"], "version": first["version"]}
        await self.world.send(self.world.topics.examples, [of | given])

    async def until(self, query: str, what: str) -> None:
        """Wait until Prometheus has series for a query."""

        async def found() -> bool:
            return bool(await self.prometheus.now(query))

        await self.world.until(found, what)

    async def fires(self, alert: str) -> None:
        await self.until(f'ALERTS{{alertname="{alert}",alertstate="firing"}}', f"{alert} fires")


@pytest.fixture
async def scene(
    kafka_world: MakeWorld, kafka: KafkaAddress, tmp_path: Path, binaries: Path
) -> AsyncIterator[Scene]:
    world = await kafka_world(*SETTINGS)
    servers = [Server(world.written, tmp_path, name) for name in "ab"]
    ports = [server.port for server in servers]
    prometheus = Prometheus(binaries, tmp_path, world.settings.application, ports)
    try:
        await asyncio.gather(prometheus.start(), *(server.start() for server in servers))
        yield Scene(world, servers, prometheus)
    finally:
        for server in servers:
            await server.close()
        await prometheus.close()


def put_in(scene: Scene) -> Callable[[str], str]:
    """Put values in the place of Grafana's variables."""
    values = {
        "$application": scene.world.settings.application,
        "$replica": ".+",
        "$__rate_interval": "4s",
        "$__interval": "4s",
        "$__range": "60s",
    }

    def filled(query: str) -> str:
        return re.sub(r"\$\w+", lambda found: values[found[0]], query)

    return filled


@pytest.mark.long
async def test_every_panel_has_data_and_the_right_alerts_fire(scene: Scene) -> None:
    world, prometheus = scene.world, scene.prometheus

    # One: a stream, and annotators that label its queries.
    await scene.stream(400)

    async def learned() -> bool:
        await scene.label(turned=False)  # queries may be published after their labels were looked for
        return bool(await prometheus.now("sum(stream_al_model_examples) > 200"))

    await world.until(learned, "it has learned")
    assert not await prometheus.fired() - SLOW, "nothing is wrong yet"
    await scene.second_label()

    # Two: the classes are exchanged.
    found = "stream_al_drift_total > 0"

    async def drifted() -> bool:
        await scene.stream(40, turned=True)
        return len(await prometheus.now(found)) == len(scene.servers)

    await world.until(drifted, "both replicas find the drift")
    await scene.fires("StreamAlDrift")

    # Three: bad records.
    await world.send(world.topics.samples, [b"not JSON", b"[1, 2]"])
    await world.send(world.topics.labels, [b"not JSON"])
    await scene.fires("StreamAlDeadLetters")

    # Four: the annotators stop.
    await world.samples(4 * CAP, start=scene.sent)
    await scene.fires("StreamAlPendingAtCap")
    await scene.label(turned=True)

    # Five: one replica is killed and started again.
    await scene.servers[1].signal(SIGKILL)
    await scene.fires("StreamAlDown")
    await scene.servers[1].start()
    await scene.until("sum(stream_al_ready) == 2", "both are ready again")

    async def quiet() -> bool:
        return not await prometheus.firing()

    await world.until(quiet, "all alerts have gone out")
    assert await prometheus.fired() - SLOW == RIGHT
    await every_panel_has_data(scene)
    drawn = await asyncio.to_thread(draw, Source(prometheus.url, world.settings.application, 1, 4))
    assert all(f">{title}" in drawn for title in MAIN)


async def every_panel_has_data(scene: Scene) -> None:
    """Check that every panel, the drift marks and the variables have data."""
    filled, prometheus = put_in(scene), scene.prometheus
    made = dashboard.made()
    asked = [(panel["title"], t) for panel in made["panels"] for t in panel.get("targets", [])]
    assert len(asked) > 30
    for title, target in asked:
        ask = prometheus.now if target["instant"] else prometheus.history
        series = await ask(filled(target["expr"]))
        assert any(numbers(one) for one in series), f"no data behind {title}: {filled(target['expr'])}"
    (marks,) = made["annotations"]["list"]
    assert await prometheus.history(filled(marks["expr"]))
    application, replica = made["templating"]["list"][1:]
    for variable, values in (
        (application, {scene.world.settings.application}),
        (replica, {f"127.0.0.1:{server.port}" for server in scene.servers}),
    ):
        asked_for = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
        assert asked_for
        assert await prometheus.names(asked_for[2], filled(asked_for[1])) == values
