"""The check of the model against the stream: what the doctor would say, said by the service itself.

A service that runs with a model that cannot take its records would buy labels and learn nothing from them. So
the first samples are kept, and a fresh model of the same definition is tried on them, once, with imagined
labels (`engine.doctor.trial`). What is found is logged, a line each, and stands in `/v1/status`.

The default model takes any record, so only the fields are examined then. All of it is done in time slices,
outside the commit protocol, and it decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import asdict
from typing import Any

import structlog

from stream_al.engine.doctor.fields import Fields
from stream_al.engine.doctor.findings import Finding, Severity, sorted_findings
from stream_al.engine.doctor.trial import reads_as_auto, trial
from stream_al.engine.samples.table import Sample
from stream_al.service.engine_settings import model_of
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices
from stream_al.settings import Settings

__all__ = ["ModelCheck"]

log = structlog.get_logger(__name__)

MAX_SAMPLES = 100
MAX_SHOWN = 20


class ModelCheck:
    """Checks the model against the first samples.

    Args:
        settings: The model, and how it is made.
        clock: Measures the work.

    Attributes:
        findings: What was found, the worst first; None before the check.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.findings: list[Finding] | None = None
        self._settings = settings
        self._clock = clock
        self._samples: list[Sample] = []
        self._some, self._enough = asyncio.Event(), asyncio.Event()

    def see(self, samples: Sequence[Sample]) -> None:
        """Keep the first samples."""
        if self._enough.is_set() or not samples:
            return
        self._samples += samples[: MAX_SAMPLES - len(self._samples)]
        self._some.set()
        if len(self._samples) >= MAX_SAMPLES:
            self._enough.set()

    async def run(self) -> None:
        """Wait for the first samples, check the model, and end."""
        await self._some.wait()
        try:
            async with asyncio.timeout(self._clock.pace.check_seconds):
                await self._enough.wait()
        except TimeoutError:
            self._enough.set()
        try:
            self.findings = await TimeSlices(self._clock).in_steps(self._check())
        except (MemoryError, RecursionError) as error:  # the trial is too large for this process
            log.warning("the model was not checked", why=type(error).__name__)
            self.findings = []
        for one in (self.findings or [])[:MAX_SHOWN]:
            if one.severity is not Severity.NOTE:
                log.warning("model check", severity=one.severity.value, about=one.about, finding=one.text)

    def describe(self) -> dict[str, Any] | None:
        """What was found, ready for JSON; None before the check."""
        if self.findings is None:
            return None
        return {
            "samples": len(self._samples),
            "findings": [asdict(one) for one in self.findings[:MAX_SHOWN]],
        }

    def _check(self) -> Generator[None, None, list[Finding]]:
        make, definition = model_of(self._settings), self._settings.model.definition
        fields = Fields()
        for sample in self._samples:
            fields.add(sample.features)
            yield
        fields.finish()
        is_auto = reads_as_auto(make(definition))
        found = list(fields.findings(is_auto=is_auto))
        for one in (definition, *self._settings.model.committee):
            if not reads_as_auto(make(one)):
                tried = yield from trial(make, one, self._samples, fields, {})
                found += tried.findings
        return sorted_findings(found)
