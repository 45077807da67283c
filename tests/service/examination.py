"""The examination of a sound stream of payments by the doctor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stream_al.engine.doctor.findings import Severity
from stream_al.engine.doctor.report import Report
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.kafka.survey import Survey
from stream_al.service.maintenance.doctor import examine
from stream_al.service.timing.clock import SYSTEM_CLOCK
from tests.support.world import World

NUMBER = 40
MIXED = (
    "model.definition=(SelectType(Number) | StandardScaler()) + (SelectType(str) | OneHotEncoder()) "
    "| LogisticRegression()"
)


def sound(**more: Callable[[int], Any]) -> list[dict[str, Any]]:
    """Payments without a fault, and with further members that depend on the number of the record."""
    records = []
    for number in range(NUMBER):
        record = {
            "id": f"txn-{number}",
            "amount": (number * 37 % 101) / 7,
            "card": {"visits": number * 7 % 11},
        }
        added = {name: value(number) for name, value in more.items()}
        records.append(record | {name: value for name, value in added.items() if value is not None})
    return records


async def examined(world: World, *, newest: bool = False) -> Report:
    broker = Kafka(world.settings)
    try:
        return await examine(
            world.settings,
            Survey(broker.connection),
            number=100,
            newest=newest,
            now_ms=SYSTEM_CLOCK.wall_ms(),
        )
    finally:
        await broker.connection.stop(5.0)


def grave(report: Report) -> list[tuple[str, str, str]]:
    """The findings that are no notes."""
    return [
        (one.severity.value, one.about, one.text)
        for one in report.findings
        if one.severity is not Severity.NOTE
    ]
