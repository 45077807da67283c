"""Snapshots of small learners, written and read as the service does."""

from __future__ import annotations

from pathlib import Path

from stream_al.engine.labels.learner import Learner
from stream_al.messages import Example
from stream_al.service.broker.protocols import Record
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.model.snapshots import Anchor, Snapshots
from stream_al.settings import Settings, load
from tests.support.replica import Replica
from tests.support.stores import KEY, Place
from tests.support.world import World


def settings(directory: Path, *given: str) -> Settings:
    basics = ["model.definition=GaussianNB()", f"snapshots.directory={directory}"]
    return load(overrides=[*basics, *given], environ={})


def taught(given: Settings, number: int) -> Learner:
    learner = fresh_learner(given)
    for n in range(number):
        features = {"x": n % 7 + 0.5, "y": float(n % 3)}
        learner.fold(Example(id=f"e{n}", label="up" if n % 7 > 3 else "down", features=features), n)
    return learner


def anchor(offset: int) -> Anchor:
    return Anchor.of(Record("examples", 0, offset, 1_700_000_000_000, b"k", b"v"))


def directory_of(given: Settings) -> Snapshots:
    return Snapshots(given, fresh_learner(given).model.fingerprint)


async def written(given: Settings, *numbers: int) -> list[Path]:
    """Write snapshots of learners with these numbers of examples; the files, newest first."""
    await save(given, *numbers)
    return [Path(str(given.snapshots.directory)) / name for name in await directory_of(given).names()]


async def offsets(given: Settings) -> list[int]:
    """The offsets of the snapshots that can be used, newest first."""
    store = directory_of(given)
    return [learner.offset async for learner, _ in store.load(store.fingerprint)]


def at(place: Place, *given: str) -> Settings:
    """Settings whose snapshots are kept at a place; a URL needs a key."""
    return settings(Path("unused"), f"snapshots.directory={place.url}", f"snapshots.key={KEY}", *given)


def key_of(given: Settings) -> bytes:
    """The key that signs the snapshots of these settings, which are in a directory."""
    key = given.snapshots.key
    return key.get_secret_value().encode() if key else key_file(given).read_bytes()


def key_file(given: Settings) -> Path:
    """The file of the key beside the directory of the snapshots."""
    return Path(f"{given.snapshots.directory}.key")


async def at_url(world: World, place: Place, *, wait: bool = True) -> Replica:
    """Start a replica whose snapshots are kept at a place."""
    place.belong_to(world.settings.application)
    replica = world.launch(directory=place.url, key=KEY)
    if wait:
        await world.until(lambda: replica.app.ready, "the replica is ready")
    return replica


async def save(given: Settings, *numbers: int) -> None:
    """Write snapshots of learners with so many examples."""
    for number in numbers:
        await directory_of(given).save(taught(given, number), anchor(number - 1))
