"""What must hold after any crash, checked on the broker in memory.

check_offsets   the committed offset never passes a sample without a decision, nor a label that was not judged
check_end       every acknowledged selection is in `queries` and is learned; every id is learned at most once;
                a crash exceeds the budget by one batch at most
check_account   after a restart the selector has the state that was committed last
"""

from __future__ import annotations

from typing import Any

from stream_al.service.engine_settings import selector
from tests.support.memory_broker import MemoryBroker
from tests.support.memory_client import MemoryClient
from tests.support.replica import Replica
from tests.support.world import World

BATCH = 20
SHARE = 0.2


def broker_of(world: World) -> MemoryBroker:
    assert world.broker is not None
    return world.broker


def client_of(replica: Replica) -> MemoryClient:
    assert isinstance(replica.broker, MemoryClient)
    return replica.broker


def committed_accounts(world: World) -> dict[int, Any]:
    """The state of the selector in the last commit of each partition."""
    state = broker_of(world).groups[f"{world.settings.application}.select", world.topics.samples]
    read = selector(world.settings)
    return {partition: read.decode(position.metadata) for partition, position in state.committed.items()}


async def check_offsets(world: World) -> None:
    """Whatever lies before a committed offset has its effects in the log."""
    decided, groups = await world.decided(), broker_of(world).groups
    selected = groups[f"{world.settings.application}.select", world.topics.samples].committed
    for record in await world.records(world.topics.samples):
        if record.partition in selected and record.offset < selected[record.partition].offset:
            assert (record.key or b"").decode() in decided
    learned = {e["id"] for e in await world.examples()}
    judged = groups[f"{world.settings.application}.intake", world.topics.labels].committed
    for record in await world.records(world.topics.labels):
        if record.partition in judged and record.offset < judged[record.partition].offset:
            assert (record.key or b"").decode() in learned


async def check_end(world: World, replica: Replica, ids: list[str], crashes: int) -> None:
    """Queries, examples and the budget are right after all has come to rest (`World.settle`)."""
    asked = {q["id"] for q in await world.queries()}
    said = [p for p in await world.messages(str(world.topics.predictions)) if p["queried"]]
    assert {p["id"] for p in said} <= asked
    assert asked == {e["id"] for e in await world.examples()}
    assert (
        sum(replica.app.local_model.model.classes.values())
        == replica.app.local_model.model.examples
        == len(asked)
    )
    await world.until(lambda: all_closed(world), "no query is left open")
    partitions = world.topics.partitions
    strata = len(ids) * SHARE
    assert strata - partitions <= len(asked) <= strata + partitions + crashes * (BATCH * SHARE + partitions)


async def all_closed(world: World) -> bool:
    return not await world.open_queries()


async def check_account(world: World, ids: list[str]) -> None:
    """The accounts have counted every sample exactly once."""
    await world.until(lambda: not lag(world), "all is committed")
    assert sum(state.account.arrivals for state in committed_accounts(world).values()) == len(ids)


def lag(world: World) -> int:
    """Samples not committed yet."""
    committed = (
        broker_of(world).groups[f"{world.settings.application}.select", world.topics.samples].committed
    )
    partitions = broker_of(world).topics[world.topics.samples]
    return sum(kept.end - (committed[p].offset if p in committed else 0) for p, kept in enumerate(partitions))
