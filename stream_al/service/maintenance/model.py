"""The model: load it, or rebuild it from the examples."""

from __future__ import annotations

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.learner import Learner
from stream_al.service.broker.protocols import Broker, Reader
from stream_al.service.broker.readers import started
from stream_al.service.control import Control
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.maintenance.topics import Progress, opened, opened_control
from stream_al.service.model.local_model import LocalModel
from stream_al.service.model.replay import PARTITION
from stream_al.service.model.snapshots import Snapshots
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Problems
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.settings import Settings

__all__ = ["load_model"]


async def load_model(
    settings: Settings, broker: Broker, *, rebuild: bool, progress: Progress, from_here: bool = False
) -> Learner:
    """The model at the end of the examples: from the newest snapshot, or rebuilt from the first example.

    Args:
        settings: Which model.
        broker: The broker.
        rebuild: Delete the snapshots first, and write a new one.
        progress: Called with the number of examples learned and the number of all examples.
        from_here: Continue without the examples that the topic no longer holds: all replicas exclude them.
    """
    snapshots = Snapshots(settings, fresh_learner(settings).fingerprint)
    topic = settings.topics.examples
    async with (
        opened(broker, topic, settings.topics.control),
        opened_control(settings, broker) as control,
    ):
        if rebuild:
            await snapshots.clear()
        metrics = Metrics(settings.application)
        problems = Problems(metrics, SYSTEM_CLOCK)
        local_model = LocalModel(
            lambda: broker.reader(topic), settings, snapshots, metrics, problems, SYSTEM_CLOCK
        )
        async with started(local_model.reader):
            if rebuild:
                await _fit_exclusions(control, local_model.reader, from_here=from_here)
            if control.model_record:
                local_model.exclude(control.exclusions)
            await local_model.restore(progress)
            if rebuild:
                await local_model.save()
        return local_model.learner


async def _fit_exclusions(control: Control, reader: Reader, *, from_here: bool) -> None:
    """Make the exclusions fit the topic.

    Exclusions that end after the topic ends belong to an earlier topic of the same name; they are dropped.
    With `from_here`, the examples that the topic no longer holds are excluded.
    """
    begin, end = (await reader.beginning_offsets())[PARTITION], (await reader.end_offsets())[PARTITION]

    def fitted(before: Exclusions) -> Exclusions:
        of_this_topic = before if before.end <= end else Exclusions()
        return of_this_topic.adding(0, begin) if from_here else of_this_topic

    if fitted(control.exclusions) != control.exclusions:
        await control.change_exclusions(fitted, by=None)
