"""The settings of the selection: the model, and the budget."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, ValidationInfo, field_validator

from stream_al.engine.model.definition.factory_path import check_path, is_factory
from stream_al.engine.model.limits import Limits
from stream_al.settings.checks import (
    Count,
    Name,
    Share,
    one_of,
)
from stream_al.settings.section import Section, sentences

__all__ = ["IMPORTS", "BudgetSettings", "ModelSettings", "may_build"]

IMPORTS = "imports"  # in the context of a validation: whether factories may be imported and called
MOST_IN_COMMITTEE = 20


def may_build(definitions: Iterable[str], info: ValidationInfo) -> bool:
    """Whether a check may build these models: not if that runs a factory that nobody asked to run."""
    return bool((info.context or {}).get(IMPORTS)) or not any(map(is_factory, definitions))


class ModelSettings(Section):
    """The classifier."""

    definition: str = Field(
        default="auto",
        description="The model: `auto`, a River expression, or module:factory, which runs the code of that "
        "module. After a change the new model learns all examples again.",
    )
    objective: str = Field(
        default="accuracy",
        description="Which label to serve in predictions and queries: `accuracy` (the most probable class), "
        "`balanced` (every class counts alike, however rare), or `recall of CLASS at precision P`, such as "
        "recall of fraud at precision 0.5. With the last two, `strategy` is class_balance unless it is set. "
        "After a change the model learns all examples again.",
    )
    name: Name = Field(default="model", description="The model's name in queries and predictions.")
    max_classes: int = Field(
        default=1000, ge=2, description="Most classes of the model. A label of a further class is refused."
    )
    max_features: Count = Field(
        default=4000,
        description="Most distinct features of a model that is a River expression, times the members of an "
        "ensemble; a further one is left out of the examples. Nothing else runs while River learns a record. "
        "`auto` has its own bounds.",
    )
    max_pairs: Count = Field(
        default=60_000,
        description="Most pairs of a class and a feature of such a model, which may keep some 1 kB for each; "
        "a further one is left out of the examples. Of a record with more features than this divided by the "
        "classes, only those are used that came first.",
    )
    committee: tuple[str, ...] = Field(
        default=(),
        description="Definitions of two or more further classifiers, for the strategies that compare several "
        "predictions. If the list is empty, these strategies compare the members of the model, which must "
        "then be an ensemble.",
    )

    def limits(self) -> Limits:
        """How many classes and features the model may learn."""
        return Limits(self.max_classes, self.max_features, self.max_pairs)

    def factories(self) -> list[str]:
        """The import paths among the definitions: to build these models runs the user's code."""
        return list(filter(is_factory, dict.fromkeys([self.definition, *self.committee])))

    @field_validator("definition", mode="after")
    @classmethod
    def _can_be_built(cls, value: str, info: ValidationInfo) -> str:
        from stream_al.engine.model.definition import expression  # noqa: PLC0415 (River is slow to import)

        with sentences():
            if may_build([value], info):
                expression.load(value, seed=0)
            else:
                check_path(value)
        return value

    @field_validator("objective", mode="after")
    @classmethod
    def _is_an_objective(cls, value: str) -> str:
        from stream_al.engine.model.objective import rule  # noqa: PLC0415 (as above)

        with sentences():
            return rule(value).objective

    @field_validator("committee", mode="after")
    @classmethod
    def _can_all_be_built(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len(value) == 1:
            raise ValueError("write two definitions or more: a single member cannot disagree with another")
        if len(value) > MOST_IN_COMMITTEE:
            raise ValueError(
                f"write {MOST_IN_COMMITTEE} definitions at most: every sample is predicted by each"
            )
        for definition in value:
            cls._can_be_built(definition, info)
        return value


class BudgetSettings(Section):
    """How many labels may be bought. All caps hold at once."""

    share: Share = Field(default=0.05, description="Share of the samples whose label may be bought.")
    manager: str = Field(default="stratified", description="The budget manager.")
    exploration: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of the budget that is spent uniformly at random. `stratified` spends more at "
        "random while queries are pending. With 0 the accuracy over the whole stream cannot be estimated.",
    )
    pending: Count = Field(
        default=10_000, description="Most pending queries. Selection pauses while there are so many."
    )
    per_hour: Count | None = Field(
        default=None,
        description="Most queries per hour of the records' timestamps, over all partitions together.",
    )
    total: Count | None = Field(default=None, description="Most queries in total.")

    @field_validator("manager", mode="after")
    @classmethod
    def _is_a_manager(cls, value: str) -> str:
        from stream_al.engine.budgets import MANAGERS  # noqa: PLC0415 (the engine is not needed to print help)

        return one_of(value, MANAGERS)
