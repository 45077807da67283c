"""What operators have changed in a simulation, read from the topic `control`."""

from __future__ import annotations

import msgspec

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.replica_messages import RuntimeModel, RuntimeSettings
from stream_al.service.control import MODEL, SETTINGS
from stream_al.settings import BudgetSettings, Settings
from stream_al.settings.runtime_changes import in_force
from tests.simulation.broker import SimBroker

__all__ = ["budgets", "exclusions"]


def budgets(settings: Settings, broker: SimBroker) -> list[BudgetSettings]:
    """Every budget that was in force on some process; the final one is last."""
    found = [settings.budget]
    for record in broker.history(settings.topics.control):
        if record.key == SETTINGS:
            change = msgspec.json.decode(record.value or b"", type=RuntimeSettings)
            found.append(in_force(settings, msgspec.to_builtins(change.budget)))
    return found


def exclusions(settings: Settings, broker: SimBroker) -> list[Exclusions]:
    """Every set of exclusions that was in force on some process; the final one is last."""
    history = [record for record in broker.history(settings.topics.control) if record.key == MODEL]
    records = [msgspec.json.decode(record.value or b"", type=RuntimeModel) for record in history]
    return [Exclusions(), *(Exclusions.of(record.excluded) for record in records)]
