"""Fixtures: a real Label Studio for the run, and bridges to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.label_studio.hands import Hands
from tests.label_studio.server import LabelStudio
from tests.support.world import World


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """A real server for the whole run. Every test uses a project of its own."""
    server = LabelStudio.begin(tmp_path_factory.mktemp("label-studio"))
    yield server
    server.stop()


@pytest.fixture
async def make_hands(label_studio: LabelStudio, tmp_path: Path) -> AsyncIterator[Callable[..., Hands]]:
    """Make bridges between a world and the server; the arguments are settings."""
    made = list[Hands]()

    def make(world: World, *given: str) -> Hands:
        made.append(Hands(world, label_studio, tmp_path, given))
        return made[-1]

    yield make
    for hands in made:
        await hands.close()
