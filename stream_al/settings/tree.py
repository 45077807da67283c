"""The tree of settings: names, types, ranges, defaults and meanings.

The larger sections have files of their own: `connections` (kafka, http), `data` (topics, input, queries,
labels), `desk` and `selection` (model, budget).
"""

from __future__ import annotations

import json
from reprlib import repr as short
from typing import Any, Literal

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from stream_al.settings.checks import (
    Count,
    Location,
    Name,
    Seconds,
    one_of,
)
from stream_al.settings.connections import HTTPSettings, KafkaSettings
from stream_al.settings.data import InputSettings, LabelSettings, QuerySettings, TopicSettings
from stream_al.settings.desk import DeskSettings
from stream_al.settings.label_studio import LabelStudioSettings
from stream_al.settings.section import Section, sentences
from stream_al.settings.selection import BudgetSettings, ModelSettings, may_build

__all__ = ["LimitSettings", "LoggingSettings", "Settings", "SnapshotSettings", "TracingSettings"]

SHORTEST_KEY = 32  # of `snapshots.key`, in characters


class SnapshotSettings(Section):
    """Copies of the model, which make a start quicker. They are only a cache."""

    model_config = ConfigDict(validate_default=True)

    directory: Location | None = Field(
        default=None,
        description="Where snapshots are: a directory of this machine, or a URL such as s3://bucket/path "
        "(extra remote), the same for all replicas. null: ~/.local/state/stream_al/APPLICATION/snapshots, or "
        "below $XDG_STATE_HOME.",
    )
    every_examples: Count = Field(
        default=1000, description="A snapshot is taken after so many examples were learned."
    )
    every_seconds: Seconds = Field(
        default=60, description="A snapshot is taken after so many seconds, if an example was learned."
    )
    keep: Count = Field(default=3, description="Number of snapshots to keep.")
    max_bytes: int = Field(
        default=2**30,
        ge=1024,
        description="Largest snapshot, in bytes. A larger one is neither written nor read.",
    )
    key: SecretStr | None = Field(
        default=None,
        description="Key that signs snapshots, of at least 32 characters. A snapshot with another signature "
        "is refused. null: a key made at the first start, beside the directory; a URL needs one.",
    )

    @field_validator("key", mode="after")
    @classmethod
    def _is_no_guess_and_there_for_a_url(
        cls, value: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(
                f"write at least {SHORTEST_KEY} characters, such as `openssl rand -hex 32` prints"
            )
        scheme, found, _ = (info.data.get("directory") or "").partition("://")
        if value is None and found and scheme != "file":
            raise ValueError(
                "others may be able to write to the URL in snapshots.directory: set a key, the same on all "
                "replicas, such as `openssl rand -hex 32` prints"
            )
        return value


class LimitSettings(Section):
    """Limits of time and size."""

    model_config = ConfigDict(validate_default=True)

    batch_records: Count = Field(default=1000, description="Most records of one batch.")
    batch_seconds: Seconds = Field(
        default=0.02,
        description="Longest computation of one batch. A query is sent after its whole batch is decided.",
    )
    poll_seconds: Seconds = Field(default=0.2, description="Longest wait for records.")
    deadline_seconds: Seconds = Field(
        default=30, description="Longest wait for one operation of the broker or of the store of snapshots."
    )
    stop_seconds: Seconds = Field(
        default=10, description="Longest time for an orderly stop; then the process ends."
    )
    watchdog_seconds: Seconds = Field(
        default=60,
        description="Time without progress, while records are waiting, after which the service exits so that "
        "it is restarted.",
    )
    ahead_seconds: Seconds = Field(
        default=3600,
        description="How far ahead of the broker's time a timestamp may lie that a producer made. One that "
        "lies further ahead does not count: the broker's time counts in its place.",
    )
    bad_records: Count = Field(
        default=100, description="Bad records in a row after which a partition is stopped."
    )
    backoff_seconds: Seconds = Field(
        default=0.1, description="Pause after a failure. It doubles with each further failure in a row."
    )
    backoff_max_seconds: Seconds = Field(default=10, description="Longest pause after failures.")

    @field_validator("backoff_max_seconds", mode="after")
    @classmethod
    def _is_no_less_than_the_first(cls, value: float, info: ValidationInfo) -> float:
        if value < (first := info.data.get("backoff_seconds", 0)):
            raise ValueError(f"write at least limits.backoff_seconds, which is {first:g}")
        return value


class LoggingSettings(Section):
    """Logging to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level to log."
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="Format of the log; auto is text on a terminal and JSON elsewhere."
    )


class TracingSettings(Section):
    """OpenTelemetry. Its own environment variables (OTEL_...) say where to export traces."""

    enabled: bool = Field(
        default=False,
        description="Whether to trace each selected sample from sample to example (extra otel).",
    )


class Settings(Section):
    """All settings of a replica."""

    application: Name = Field(
        default="stream_al",
        description="Name of this application. Its consumer groups have this name with .select, .intake and "
        ".accounts appended.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description="Seed of every random choice. It must be the same on all replicas.",
    )
    kafka: KafkaSettings = Field(default=KafkaSettings(), description=KafkaSettings.__doc__)
    topics: TopicSettings = Field(default=TopicSettings(), description=TopicSettings.__doc__)
    input: InputSettings = Field(default=InputSettings(), description=InputSettings.__doc__)
    model: ModelSettings = Field(default=ModelSettings(), description=ModelSettings.__doc__)
    strategy: str = Field(
        default="margin",
        description="The query strategy: one factor or a product of several, such as margin * diversity^0.5, "
        "where ^ is followed by the strength of the factor. Not set, it is class_balance if "
        "`model.objective` is another one than accuracy.",
    )
    class_target: str | None = Field(
        default=None,
        description="Shares of the classes among the labels that class_balance aims at, such as spam=0.5, "
        "ham=0.5. null means equal shares.",
    )
    budget: BudgetSettings = Field(default=BudgetSettings(), description=BudgetSettings.__doc__)
    queries: QuerySettings = Field(default=QuerySettings(), description=QuerySettings.__doc__)
    labels: LabelSettings = Field(default=LabelSettings(), description=LabelSettings.__doc__)
    snapshots: SnapshotSettings = Field(default=SnapshotSettings(), description=SnapshotSettings.__doc__)
    http: HTTPSettings = Field(default=HTTPSettings(), description=HTTPSettings.__doc__)
    desk: DeskSettings = Field(default=DeskSettings(), description=DeskSettings.__doc__)
    label_studio: LabelStudioSettings = Field(
        default=LabelStudioSettings(), description=LabelStudioSettings.__doc__
    )
    limits: LimitSettings = Field(default=LimitSettings(), description=LimitSettings.__doc__)
    log: LoggingSettings = Field(default=LoggingSettings(), description=LoggingSettings.__doc__)
    tracing: TracingSettings = Field(default=TracingSettings(), description=TracingSettings.__doc__)

    def target(self) -> dict[str, float] | None:
        """The shares of `class_target` by class; None for equal shares."""
        return None if self.class_target is None else _shares(self.class_target)

    @model_validator(mode="before")
    @classmethod
    def _follows_the_objective(cls, given: Any) -> Any:
        """Choose the strategy by the objective if it is not set."""
        if not isinstance(given, dict) or "strategy" in given:
            return given
        model = given.get("model")
        objective = model.get("objective") if isinstance(model, dict) else getattr(model, "objective", None)
        if objective is None or str(objective).strip() == "accuracy":
            return given
        return {**given, "strategy": "class_balance"}

    @field_validator("strategy", mode="after")
    @classmethod
    def _suits_the_model(cls, value: str, info: ValidationInfo) -> str:
        from stream_al.engine.strategies import (  # noqa: PLC0415 (as for the budget manager)
            STRATEGIES,
            factors,
            strategy,
        )

        with sentences():
            for name, _ in factors(value):
                one_of(name, STRATEGIES)
            chosen = strategy(value)
            model = info.data.get("model")
            if model and may_build([model.definition, *model.committee], info):
                chosen.model(model.definition, seed=0, committee=model.committee)
        return value

    @field_validator("class_target", mode="before")
    @classmethod
    def _is_made_of_shares(cls, value: Any) -> Any:
        if isinstance(value, dict):  # a mapping in YAML
            value = json.dumps(value)
        if isinstance(value, str):
            _shares(value)
        return value


def _shares(text: str) -> dict[str, float]:
    """Shares of classes, from `spam=0.5, ham=0.5` or from a JSON object."""
    try:
        given = json.loads(text) if text.lstrip().startswith("{") else None
        if given is None:
            pairs = (part.rpartition("=") for part in text.split(","))
            given = {name.strip(): share for name, _, share in pairs}
        found = {str(name): float(share) for name, share in given.items()}
    except (TypeError, ValueError, RecursionError):
        found = {}
    if not found or "" in found or not all(0.0 <= share <= 1.0 for share in found.values()):
        raise ValueError(
            f"write a share from 0 to 1 for each class, such as spam=0.5, ham=0.5, not {short(text)}"
        )
    if not sum(found.values()) > 0.0:
        raise ValueError("write a share above 0 for at least one class")
    return found
