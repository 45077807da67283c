"""The settings of what decides: the model, and the budget."""

from __future__ import annotations

from pydantic import Field, field_validator

from stream_al.settings.checks import (
    Count,
    Name,
    one_of,
)
from stream_al.settings.section import Section, words

__all__ = ["BudgetSettings", "ModelSettings"]


class ModelSettings(Section):
    """The classifier."""

    definition: str = Field(
        default="HoeffdingTreeClassifier(grace_period=50)",
        description="A River expression, or module:factory. A change replays the examples.",
    )
    name: Name = Field(default="model", description="Its name in queries and predictions.")
    max_classes: int = Field(default=1000, ge=2, description="Most classes; labels beyond them are refused.")
    committee: tuple[str, ...] = Field(
        default=(),
        description="Definitions of two or more other classifiers, learned beside the model for the "
        "strategies that compare opinions; none: the members of the model, if it is an ensemble.",
    )

    @field_validator("definition", mode="after")
    @classmethod
    def _can_be_built(cls, value: str) -> str:
        from stream_al.engine.model import expression  # noqa: PLC0415 (River is slow to import)

        with words():
            expression.load(value, seed=0)
        return value

    @field_validator("committee", mode="after")
    @classmethod
    def _can_all_be_built(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) == 1:
            raise ValueError("write two definitions or more: one member has nobody to disagree with")
        for definition in value:
            cls._can_be_built(definition)
        return value


class BudgetSettings(Section):
    """How many labels may be bought; the lowest cap binds."""

    share: float = Field(default=0.05, gt=0, le=1, description="Share of the samples to ask labels for.")
    manager: str = Field(default="stratified", description="The budget manager.")
    exploration: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of the budget bought uniformly at random; `stratified` buys more so while answers "
        "are on their way. 0 makes it impossible to estimate the accuracy over the whole stream.",
    )
    pending: Count = Field(default=10_000, description="Most pending queries; selection pauses above.")
    per_hour: Count | None = Field(
        default=None, description="Most labels to ask for in an hour of the log's time, over all partitions."
    )
    total: Count | None = Field(default=None, description="Most labels to ask for in all.")

    @field_validator("manager", mode="after")
    @classmethod
    def _is_a_manager(cls, value: str) -> str:
        from stream_al.engine.budgets import MANAGERS  # noqa: PLC0415 (the engine is not needed to print help)

        return one_of(value, MANAGERS)
