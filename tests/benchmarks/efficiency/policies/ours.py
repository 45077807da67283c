"""Our own policies: the default of the settings, and every strategy and budget manager of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_al.engine.model.model import Model
from stream_al.engine.selector import Selector
from stream_al.errors import Misconfigured
from stream_al.settings import Settings
from stream_al.simulate.buyers import Buyer, SelectorBuyer
from stream_al.simulate.delay import Arrivals
from tests.benchmarks.efficiency.prequential import Rule, Terms
from tests.benchmarks.efficiency.streams import Sample

__all__ = ["DEFAULT", "Ours", "default", "named"]

_settings = Settings()
DEFAULT = f"{_settings.strategy}:{_settings.budget.manager}:{_settings.budget.exploration}"


class Ours(Rule):
    """The selector of the service, with the same inputs as in the service."""

    def __init__(self, terms: Terms, strategy: str, manager: str, exploration: float) -> None:
        self.selector = Selector(
            strategy, manager, share=terms.share, exploration=exploration, seed=terms.seed
        )
        self.window = self.selector.manager.window

    def model(self, definition: str, seed: int) -> Model:
        return self.selector.strategy.model(definition, seed=seed)

    def buyer(self, samples: Sequence[Sample], come: Arrivals) -> Buyer:
        return SelectorBuyer(self.selector)


def named(definition: str) -> Callable[[Terms], Rule]:
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
