"""Bridges to a real Label Studio, in this process or as a process of their own, and the annotator there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stream_al.label_studio.bridge import Bridge
from stream_al.label_studio.client import Client
from stream_al.label_studio.project import Project, open_project
from stream_al.settings import Settings, load
from tests.label_studio.annotator import Annotator
from tests.label_studio.server import LabelStudio
from tests.support.processes import Server
from tests.support.world import World

__all__ = ["PROGRAM", "Hands"]

PROGRAM = ("-m", "stream_al", "label-studio")


class Hands:
    """What a test does with a bridge.

    Args:
        world: The topics.
        server: Label Studio.
        directory: Where the logs of processes go.
        given: More settings.

    Attributes:
        annotator: Whoever labels the tasks.
        settings: The settings of the bridge.
    """

    def __init__(self, world: World, server: LabelStudio, directory: Path, given: Sequence[str]) -> None:
        self.world = world
        self.server = server
        self.directory = directory
        self.given = [f"label_studio.url={server.url}", "label_studio.poll_seconds=0.5", *given]
        environ = {"STREAM_AL_LABEL_STUDIO__TOKEN": server.token}
        self.settings: Settings = load(overrides=[*world.written, *self.given], environ=environ)
        title = self.settings.label_studio.project or self.settings.application
        self.annotator = Annotator(server, title)
        self.processes = list[Server]()
        self.bridges = list[Bridge]()

    async def bridge(self) -> Bridge:
        """A bridge in this process, as after a start; `sync` does one step."""
        client = Client(self.settings.label_studio, 30)
        bridge = Bridge(self.settings, self.world.connect(self.settings), client, self.world.clock)
        self.bridges.append(bridge)
        await bridge.broker.start()
        await bridge.start()
        bridge.use(await self.project(bridge))
        return bridge

    async def project(self, bridge: Bridge) -> Project:
        """The project, as the command opens it."""
        given = self.settings
        return await open_project(
            bridge.client,
            given.label_studio.project or given.application,
            bridge.classes.labels(),
            await bridge.media(),
            open_classes=given.label_studio.new_classes and not given.labels.classes,
        )

    async def step(self, bridge: Bridge) -> None:
        """Read what is new in the topics, and do one step."""
        await bridge.pending.catch_up()
        await bridge.sync()

    def process(self, name: str, *given: str) -> Server:
        """A bridge as a process of its own, not started."""
        env = {"STREAM_AL_LABEL_STUDIO__TOKEN": self.server.token}
        settings = [*self.world.written, *self.given, *given]
        port = "label_studio.port"
        self.processes.append(
            Server(settings, self.directory, name, env=env, program=PROGRAM, port_setting=port)
        )
        return self.processes[-1]

    async def labels(self) -> list[dict[str, Any]]:
        """All labels on the topic."""
        return await self.world.messages(self.world.topics.labels)

    async def close(self) -> None:
        """End everything that was started."""
        for process in self.processes:
            await process.close()
        for bridge in self.bridges:
            await bridge.stop()
            await bridge.client.close()
            await bridge.broker.stop(1.0)
        await self.annotator.close()
