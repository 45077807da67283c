"""The conditions of this process: the facts that its parts know, judged by `engine.conditions`.

A condition that begins or ends leaves a line in the log. The metric and the status show all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from stream_al.engine.conditions import Condition, Conditions, Facts, Lost, Standstill, Type
from stream_al.engine.labels.rare_classes import advice, seen_classes
from stream_al.messages import iso
from stream_al.service.loops.consumer import Consumer
from stream_al.service.loops.lag import LagMeter
from stream_al.service.loops.select import Select
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.timing.clock import Clock

__all__ = ["ConditionWatch"]

log = structlog.get_logger(__name__)


class ConditionWatch:
    """Watches the conditions of this process.

    Args:
        selection: The stage that decides; it knows about what the model has no opinion, and the model.
        consumers: The loops that read samples and labels, in this order.
        lag: Knows in which partitions records wait.
        reachable: Returns whether the broker responds.
        metrics: Where the conditions are shown.
        problems: Say why something was lost.
        clock: Where the time is read.
    """

    def __init__(
        self,
        selection: Select,
        consumers: tuple[Consumer, Consumer],
        lag: LagMeter,
        reachable: Callable[[], bool],
        metrics: Metrics,
        problems: Problems,
        clock: Clock,
    ) -> None:
        self.selection = selection
        self.select, self.intake = consumers
        self.lag = lag
        self.reachable = reachable
        self.metrics = metrics
        self.problems = problems
        self.clock = clock
        self._standstill = Standstill()
        self._conditions = Conditions(self._now_ms())

    def observe(self) -> list[Condition]:
        """Judge the facts of now; return all conditions, those that hold first."""
        for changed in self._conditions.observe(self._facts(), self._now_ms()):
            if changed.holds:
                # A class that is missed asks for other settings, and is no fault.
                say = log.info if changed.type is Type.CLASS_MISSED else log.warning
                say("condition holds", type=changed.type.value, reason=changed.reason, why=changed.message)
            else:
                log.info("condition is over", type=changed.type.value)
        conditions = list(self._conditions)
        for one in conditions:
            self.metrics.condition.labels(one.type.value).set(one.holds)
        return conditions

    def describe(self) -> list[dict[str, Any]]:
        """The conditions, ready for JSON, those that hold first."""
        since_ms = self.clock.wall_ms() - self._now_ms()
        return [
            {
                "type": one.type.value,
                "status": str(one.holds),
                "reason": one.reason,
                "message": one.message,
                "since": iso(one.since_ms + since_ms),
            }
            for one in self.observe()
        ]

    def _now_ms(self) -> int:
        # A wall clock may be set back, and a condition would never have held long enough.
        return int(1000 * self.clock.monotonic())

    def _facts(self) -> Facts:
        local_model = self.selection.local_model
        learner, refusals = local_model.learner, local_model.learner.refusals
        unread = self._standstill.observe(self.lag.waiting, self._now_ms())
        stopped = {
            f"{consumer.group.topic}/{partition}": why
            for consumer in (self.select, self.intake)
            for partition, why in consumer.stopped().items()
        }
        return Facts(
            broker_away=not self.reachable(),
            paused=self.select.paused,
            stopped=stopped,
            unread=unread,
            unread_here=unread & self.lag.held,
            refused=Lost(refusals.recent, refusals.last.message if refusals.last else ""),
            refused_here=local_model.refused,
            unusable=Lost(self.intake.lost, self.intake.lost_why),
            without_opinion=Lost(self.selection.without_opinion, self.problems.newest(Kind.NO_OPINION)),
            model_lag=self.lag.model,
            learned=learner.model.examples,
            missed=advice(
                seen_classes(learner.evaluation.current.per_class, learner.model.classes),
                learner.rule.objective,
            ),
            contradicting=learner.trust.tally.annotators.contradicting(),
        )
