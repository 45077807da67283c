"""The plan of a seed: the settings of the application, and the events that will happen to it.

Most seeds are mild in most respects, so every respect is tested alone as well as with others.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_al.settings import Settings, load
from tests.simulation.client import DEADLINE_SECONDS

__all__ = ["EVENTS", "POINTS", "Plan", "annotation", "bad_sample", "good_sample", "plan"]

LIFE_HOURS = 1.0

POINTS = (
    "select decided",
    "select acknowledged",
    "select committed",
    "intake decided",
    "intake acknowledged",
    "intake committed",
    "send queries",
    "sent queries",
    "send predictions",
    "sent predictions",
    "send examples",
    "sent examples",
    "send dlq",
    "sent dlq",
    "commit samples",
    "commit done samples",
    "commit labels",
    "commit done labels",
    "committed samples",
    "poll samples",
    "polled labels",
    "read examples",
    "read queries",
    "send control",
    "sent control",
    "read control",
)
"""Where a process may die. A process that never passes the point lives on."""

EVENTS = {
    "send_samples": 8,
    "wait": 4,
    "send_bad_samples": 2,
    "send_unsolicited_labels": 2,
    "start": 3,
    "stop": 1,
    "kill": 1,
    "plan_crash": 4,
    "rebalance": 3,
    "freeze": 1,
    "disturb_network": 3,
    "compact": 1,
    "end_transaction": 2,
    "send_odd_timestamps": 1,
    "pass_log_time": 1,
    "pause_or_resume": 1,
    "damage_snapshots": 1,
    "change_budget": 1,
    "roll_back": 1,
}
"""The events, each with its weight."""


@dataclass(frozen=True)
class Plan:
    """The fixed part of a simulation.

    Attributes:
        events: The events, in order; each draws its own details. orderly: Whether annotators key their labels
        by id, so that all labels of a query are in one partition.
    """

    settings: Settings
    events: tuple[str, ...]
    orderly: bool


def plan(draw: random.Random, directory: Path) -> Plan:
    """The plan of a seed."""
    definition = draw.choice(
        [
            "GaussianNB()",
            "GaussianNB()",
            "StandardScaler() | LogisticRegression()",
            "HoeffdingTreeClassifier(grace_period=5)",
        ]
    )
    written = {
        "application": "app",
        "seed": draw.randrange(100),
        "strategy": draw.choice(["margin", "entropy", "random", "margin * class_balance^0.5 * novelty"]),
        "model.definition": definition,
        "budget.share": draw.choice([0.1, 0.2, 0.3, 0.5, 1.0]),
        "budget.exploration": draw.choice([0.0, 0.1, 0.5]),
        "budget.pending": draw.choice([3, 10_000, 10_000]),
        "budget.per_hour": draw.choice(["1", "4", "null", "null"]),
        "budget.total": draw.choice(["7", "null", "null"]),
        "topics.predictions": "predictions",
        "topics.partitions": draw.choice([1, 2, 3]),
        "queries.life_hours": LIFE_HOURS,
        "queries.tombstones": str(draw.random() < 0.85).lower(),
        "snapshots.directory": directory / "none",
        "snapshots.every_examples": draw.choice([1, 3, 10]),
        "limits.poll_seconds": 5,
        "limits.deadline_seconds": DEADLINE_SECONDS,
        "limits.backoff_seconds": 0.05,
        "limits.backoff_max_seconds": 2,
        "limits.batch_records": draw.choice([2, 5, 20]),
        "limits.bad_records": draw.choice([4, 100, 100]),
        "http.enabled": "false",
    }
    settings = load(overrides=[f"{path}={value}" for path, value in written.items()], environ={})
    weights = {name: weight * draw.choice([0, 1, 1, 3]) for name, weight in EVENTS.items()}
    weights |= {"send_samples": EVENTS["send_samples"], "start": EVENTS["start"]}
    events = draw.choices(list(weights), list(weights.values()), k=draw.randrange(10, 35))
    return Plan(settings, ("start", *events), draw.random() < 0.7)


def good_sample(draw: random.Random, sample_id: str) -> dict[str, Any]:
    """A sample that can be decided about."""
    return {"id": sample_id, "features": {"x": round(draw.random(), 3), "y": round(draw.random(), 3)}}


def bad_sample(draw: random.Random, sample_id: str) -> bytes | None:
    """A record that somebody may have sent to the stream by mistake."""
    return draw.choice(
        [
            None,
            b"",
            b"\xff\x00 not JSON",
            b"[" * 2000,
            b'{"id": "%s"}' % sample_id.encode(),
            b'{"id": "%s", "features": {"x": NaN}}' % sample_id.encode(),
            b'{"id": "%s", "features": {"x": 1e999}}' % sample_id.encode(),
            b'{"id": [1], "features": {"x": 1}}',
        ]
    )


def annotation(draw: random.Random, features: dict[str, Any]) -> list[tuple[float, dict[str, Any]]]:
    """The labels that the annotators give to a query, each with the seconds until it comes."""
    truth = "up" if features.get("x", 0) > 0.5 else "down"
    other = "down" if truth == "up" else "up"
    manner = draw.choice(
        ["once"] * 5 + ["thrice", "conflict", "race", "race", "skip", "skip then label", "never"]
    )
    delay = draw.choice([0.0, 0.0, 0.01, 1.0, 10.0, 60.0])
    labels: dict[str, list[dict[str, Any]]] = {
        "once": [{"label": truth}],
        "thrice": [{"label": truth}] * 3,
        "conflict": [{"label": truth}, {"label": truth}, {"label": other}],
        "race": [{"label": other, "annotator": "b"}, {"label": truth, "annotator": "a"}],
        "skip": [{"skipped": True}],
        "skip then label": [{"skipped": True}, {"label": truth}],
        "never": [],
    }
    gap = 0.0 if manner == "race" else draw.choice([0.0, 0.0, 0.5, 20.0])
    return [(delay + number * gap, label) for number, label in enumerate(labels[manner])]
