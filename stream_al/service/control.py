"""Control: what operators change while the service runs, on a topic of its own.

The topic has one partition and is compacted, with two keys for changes. Each record says all that is changed
under its key, so the newest one is enough:

    settings   what is changed of the budget         (`RuntimeSettings`)
    model      which examples are excluded           (`RuntimeModel`)
    null       nothing is changed under this key

Other keys hold what people ask for by hand (`service.desk.requests`). One more, `time`, says nothing: a
replica that starts sends it to learn the broker's time from the acknowledgement (`service.loops.log_time`).

Every replica reads all of it before it starts to work, and then follows it. Replicas learn of a change in no
other way. So all see the same changes in the same order, and a restart sees the last one.

*Writing.* Two replicas may write at the same time, so a writer does this:

    1. read the topic to its end
    2. send a record, made from the one in force
    3. read on until its own record comes back
    4. if another replica's record of the same key lies between: both were made from the same record, and the
       second has undone the first. So make the change again, from what the other one has left

So the last writer wins where both change the same member, and two changes of different members both hold. For
some milliseconds, until step 4, the first change is not in force. It stays so if the second writer dies just
then, and it may if a third one writes. An operator sees by asking what is in force.

*Records that cannot be used* were not written by this service. They are ignored, with a warning and a count,
and the record before stays in force. But a broker that compacts the topic deletes that record, and a replica
that starts afterwards finds none. Any new change repairs that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.errors import BadMessage, Misconfigured, Unavailable
from stream_al.messages import decode, encode, iso
from stream_al.replica_messages import RuntimeBudget, RuntimeModel, RuntimeSettings
from stream_al.service.broker.follower import Follower
from stream_al.service.broker.protocols import Ack, Broker, Outgoing, Record
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.timing.clock import Clock
from stream_al.settings import BudgetSettings, Settings
from stream_al.settings.runtime_changes import in_force

__all__ = ["LABEL", "MODEL", "RELABEL", "SETTINGS", "TIME", "Control"]

log = structlog.get_logger(__name__)

SETTINGS, MODEL, TIME = b"settings", b"model", b"time"
RELABEL, LABEL = b"relabel:", b"label:"
MAX_BYTES = 100_000
MAX_TRIES = 10


class Control:
    """What is changed at run time, as far as this replica has read.

    Args:
        broker: The broker.
        settings: What is configured.
        metrics: Where records that cannot be used are counted.
        clock: Says when a change is made.
        on_budget: Called with the budget, whenever it may have changed.
        on_exclusions: Called with the excluded examples, whenever they may have changed.
        problems: Where records that cannot be used are reported; None reports them nowhere.

    Attributes:
        on_request: Called with a record of what a person asks for by hand.
        budget: The budget in force.
        exclusions: The examples that do not count.
        settings_record: The record that has changed the budget; None if it is as configured.
        model_record: The record that has set the exclusions; None if there is none.
    """

    def __init__(
        self,
        broker: Broker,
        settings: Settings,
        metrics: Metrics,
        clock: Clock,
        on_budget: Callable[[BudgetSettings], None] = lambda budget: None,
        on_exclusions: Callable[[Exclusions], None] = lambda exclusions: None,
        problems: Problems | None = None,
    ) -> None:
        self.broker = broker
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        self.on_budget = on_budget
        self.on_exclusions = on_exclusions
        self.on_request: Callable[[Record], None] = lambda record: None
        self.problems = problems
        self.budget = settings.budget
        self.exclusions = Exclusions()
        self.settings_record: RuntimeSettings | None = None
        self.model_record: RuntimeModel | None = None
        self.topic = settings.topics.control
        self.reader = broker.reader(self.topic)
        self.follower = Follower(self.reader, settings.limits.batch_records, self._apply, clock)
        self._writing = asyncio.Lock()
        self._applied: list[
            tuple[bytes, int, Any]
        ] = []  # while we write: key, offset, what was in force then

    @property
    def members(self) -> dict[str, Any]:
        """The members of `budget` that are changed."""
        return dict(msgspec.to_builtins(self.settings_record.budget)) if self.settings_record else {}

    async def catch_up(self) -> None:
        """Apply all that is on the topic now."""
        await self.follower.catch_up()

    async def ask_time(self) -> Ack:
        """Let the broker stamp a record that says nothing. Raises Unavailable."""
        (ack,) = await self.broker.send([Outgoing(self.topic, TIME, None)])
        return ack

    async def change_budget(self, make: Callable[[dict[str, Any]], dict[str, Any]], by: str | None) -> None:
        """Change the budget, here and everywhere.

        Args:
            make: Makes the changed members from those that were changed before; it may be called again.
            by: Who makes the change.

        Raises:
            Unavailable: The broker did not take it in time, or it is not known whether it did.
        """

        def made(before: dict[str, Any]) -> RuntimeSettings:
            return RuntimeSettings(
                msgspec.convert(make(before), RuntimeBudget), iso(self.clock.wall_ms()), by
            )

        await self._write(SETTINGS, made)

    async def change_exclusions(self, make: Callable[[Exclusions], Exclusions], by: str | None) -> None:
        """Change which examples count; arguments and errors as for `change_budget`."""

        def made(before: Exclusions) -> RuntimeModel:
            return RuntimeModel(list(make(before).ranges), iso(self.clock.wall_ms()), by)

        await self._write(MODEL, made)

    async def _write(self, key: bytes, make: Callable[[Any], Any]) -> None:
        """Write a record by the protocol above."""
        async with self._writing:
            await self.catch_up()
            self._applied.clear()
            before, last = self._in_force(key), -1
            for _ in range(MAX_TRIES):
                (ack,) = await self.broker.send([Outgoing(self.topic, key, encode(make(before)))])
                await self.catch_up()
                others = [value for k, at, value in self._applied if k == key and last < at < ack.offset]
                if not others:
                    return
                before, last = others[-1], ack.offset
        raise Unavailable(f"others change {self.topic} all the time: ask what is in force, and try again")

    def _in_force(self, key: bytes) -> Any:
        return self.members if key == SETTINGS else self.exclusions

    def _apply(self, record: Record) -> None:
        key = record.key or b""
        if key == TIME:
            return
        try:
            if key.startswith((RELABEL, LABEL)):
                self.on_request(record)
                return
            {SETTINGS: self._apply_settings, MODEL: self._apply_model}.get(key, _refuse_key)(record)
        except BadMessage as error:
            where = f"record {record.offset} of {record.topic} changes nothing, and is passed over"
            if self.problems is not None:
                self.problems.report(Kind.SKIPPED, error.reason, f"{where}: {error}")
            self.metrics.dead_letters.labels("control", error.reason).inc()
            return
        if self._writing.locked():
            self._applied.append((key, record.offset, self._in_force(key)))

    def _apply_settings(self, record: Record) -> None:
        found = decode(RuntimeSettings, record.value, max_bytes=MAX_BYTES) if record.value else None
        try:
            budget = in_force(self.settings, msgspec.to_builtins(found.budget) if found else {})
        except Misconfigured as error:
            raise BadMessage("bad_fields", "; ".join(error.mistakes)) from None
        self.settings_record, self.budget = found, budget
        self.on_budget(budget)
        log.info("budget in force", **budget.model_dump(), by=found.by if found else None)

    def _apply_model(self, record: Record) -> None:
        found = decode(RuntimeModel, record.value, max_bytes=MAX_BYTES) if record.value else None
        self.model_record, self.exclusions = found, Exclusions.of(found.excluded if found else ())
        self.on_exclusions(self.exclusions)
        log.info("examples excluded", ranges=self.exclusions.ranges, by=found.by if found else None)


def _refuse_key(record: Record) -> None:
    raise BadMessage(
        "unknown_key", f"the key {record.key!r:.100} is neither `settings` nor `model`, nor of a request"
    )
