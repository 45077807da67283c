"""Ours: what the defaults of the settings say, or another strategy and manager of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stream_al.engine.budgets import Situation
from stream_al.engine.selector import Selector
from stream_al.errors import Misconfigured
from stream_al.settings import Settings
from tests.benchmarks.play import Learner, Rival, Sight, Terms

__all__ = ["DEFAULT", "Ours", "default", "named"]

_settings = Settings()
DEFAULT = f"{_settings.strategy}:{_settings.budget.manager}:{_settings.budget.exploration}"


class Ours(Rival):
    """The service's selector, fed as the service feeds it."""

    def __init__(self, terms: Terms, strategy: str, manager: str, exploration: float) -> None:
        self.selector = Selector(
            strategy, manager, share=terms.share, exploration=exploration, seed=terms.seed
        )
        self.window = self.selector.manager.window
        self.state: Any = self.selector.start()

    def model(self, definition: str, seed: int) -> Learner:
        served = self.selector.strategy.model(definition, seed=seed)  # or it says why it cannot be served
        return Learner(definition, seed=seed, surroundings=served.surroundings is not None)

    def decide(self, sight: Sight) -> bool:
        arrival = self.selector.look(sight.model, sight.sample.id, sight.sample.features)
        situation = Situation(ready=sight.model.ready, pending=sight.pending)
        (decision,), self.state = self.selector.decide(self.state, [arrival], situation)
        return decision.selected


def named(definition: str) -> Callable[[Terms], Rival]:
    """A policy of the engine from `strategy:manager:exploration`.

    Raises:
        Misconfigured: The text is no such definition, or the engine knows no such names.
    """
    parts = definition.rsplit(":", 2)
    try:
        strategy, manager, exploration = parts[0], parts[1], float(parts[2])
        Selector(strategy, manager, share=0.5, exploration=exploration, seed=0)
    except (IndexError, KeyError, ValueError) as error:
        raise Misconfigured(
            f"{definition!r} is no policy ({error!r}); write strategy:manager:exploration, as {DEFAULT}"
        ) from None
    return lambda terms: Ours(terms, strategy, manager, exploration)


default = named(DEFAULT)
