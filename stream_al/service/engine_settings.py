"""What the settings say, as objects of the engine.

The engine takes values, not settings. The service and its tools turn the settings into values here and
nowhere else, so all of them read, score and decide alike.
"""

from __future__ import annotations

from collections.abc import Callable

from stream_al.engine.budgets.caps import Caps
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.labels.spelling import AllowedClasses
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import rule
from stream_al.engine.samples.sample import InputRules
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import strategy
from stream_al.engine.trust.again import Wanted
from stream_al.engine.trust.last import Last
from stream_al.engine.trust.trust import Trust
from stream_al.errors import Misconfigured
from stream_al.settings import Settings

__all__ = ["allowed_classes", "fresh_learner", "input_rules", "model_of", "selector", "wanted"]


def input_rules(settings: Settings) -> InputRules:
    """How to read a sample."""
    given = settings.input
    return InputRules(
        id=given.id,
        features=given.features,
        payload=given.payload,
        include=given.include,
        exclude=given.exclude,
        max_depth=given.max_depth,
        max_features=given.max_features,
        max_text=given.max_text,
        max_name=given.max_name,
        max_names=given.max_bytes,
    )


def allowed_classes(settings: Settings) -> AllowedClasses:
    """The classes that a label may name."""
    return AllowedClasses(settings.labels.classes)


def selector(settings: Settings) -> Selector:
    """The query strategy, the budget manager and its caps."""
    budget = settings.budget
    return Selector(
        settings.strategy,
        budget.manager,
        share=budget.share,
        exploration=budget.exploration,
        seed=settings.seed,
        target=settings.target(),
        caps=Caps(budget.per_hour, budget.total),
        extra=wanted(settings).extra,
    )


def wanted(settings: Settings) -> Wanted:
    """How many labels are wanted of a sample."""
    return Wanted(settings.labels.per_query, settings.labels.second_share)


def model_of(settings: Settings) -> Callable[[str], Model]:
    """Makes fresh models, each of a definition that may be another one than that of the settings."""
    given = settings.model

    def make(definition: str) -> Model:
        return strategy(settings.strategy).model(
            definition,
            seed=settings.seed,
            limits=given.limits(),
            committee=given.committee,
        )

    return make


def fresh_learner(settings: Settings) -> Learner:
    """The learner before the first example.

    Raises:
        Misconfigured: The model cannot learn the classes that labels may name.
    """
    given = settings.model
    model = model_of(settings)(given.definition)
    if (most := model.most_classes) < (allowed := len(settings.labels.classes)):
        wrap = "write auto, or OneVsRestClassifier(...) around it"
        advice = wrap if model.is_binary else "raise model.max_classes"
        raise Misconfigured(
            f"model.definition: {given.definition:.60} learns {most} classes, and labels.classes lists "
            f"{allowed}; {advice}, or list fewer classes"
        )
    return Learner(
        model,
        KnownLabels(settings.labels.remember),
        rule=rule(given.objective, given.max_classes),
        trust=Trust(last=Last(settings.desk.labelled_bytes)),
    )
