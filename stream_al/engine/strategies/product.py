"""A query strategy, as the settings name it: factors joined by `*`, each with a strength if it likes.

    margin
    margin * diversity^0.5
    entropy * density^0.3 * class_balance

    utility = product of factor^strength

A product, since then scales do not matter: a factor that is half as large everywhere changes no order.
A strength below 1 softens a factor, and one above 1 sharpens it; in a plain product a factor of 0 is a veto.

Where factors judge by memory, the product is one of *ranks*:

    utility = rank(product of the factors by model) * product of rank(factor by memory)^strength

A rank is a value's place among the partition's last ones, in (0, 1). The probabilities of many models
saturate: margins of 0.1 and 1e-9 in one stream would leave factors by memory, which stay within an order of
magnitude, nothing to say. A factor that is the same for all samples, such as novelty while no query is
pending, has a rank of one half and changes nothing. There is no veto among ranks: what repeats a query ranks
lowest, and is bought all the same when nothing else comes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from stream_al.engine.model.model import Model
from stream_al.engine.model.sketch import Points
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import ByHistory, ByModel, Candidates, Factor, Need
from stream_al.engine.strategies.history import HistoryCursor
from stream_al.errors import Misconfigured

__all__ = ["Strategy", "factors"]

STRONGEST = 10.0
_FACTOR = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\^\s*(\d{1,3}(?:\.\d{0,9})?|\.\d{1,9})\s*)?", re.ASCII)

_MISSING = {
    Need.MEMBERS: "needs several opinions, and the model gives one; make it an ensemble such as "
    "BaggingClassifier(GaussianNB(), n_models=10), or name two or more classifiers in model.committee",
    Need.GRADIENT: "needs a linear model of probabilities; end the model with LogisticRegression() or "
    "SoftmaxRegression(), or write model_change, which takes any model",
}


def factors(text: str) -> list[tuple[str, float]]:
    """The names in an expression, each with its strength.

    Raises:
        Misconfigured: It is no such expression.

    >>> factors("margin*diversity ^ .5")
    [('margin', 1.0), ('diversity', 0.5)]
    """
    found: dict[str, float] = {}
    for part in text[:1000].split("*"):
        match = _FACTOR.fullmatch(part)
        if not match:
            raise Misconfigured(
                f"write factors joined by *, each with a strength if it needs one, such as "
                f"margin * diversity^0.5, not {_short(text)}"
            )
        name, strength = match[1], float(match[2] or 1.0)
        if name in found:
            raise Misconfigured(f"write {name} once, with a strength such as {name}^2, not {_short(text)}")
        if not 0.0 < strength <= STRONGEST:
            raise Misconfigured(
                f"write a strength above 0 and up to {STRONGEST:g} for {name}, not {match[2]}"
            )
        found[name] = strength
    return list(found.items())


class Strategy:
    """A product of factors.

    Args:
        text: The expression.
        known: The factors by name.

    Attributes:
        text: The expression in its normal form.
        needs: What a model must have for it.
        remembers: Whether it judges by memory as well.
        by_samples: Whether the remembered samples have a say in that, not only the queries.

    Raises:
        Misconfigured: The text is no expression, or names a factor that is not known.

    >>> from stream_al.engine.strategies import STRATEGIES
    >>> Strategy("margin*entropy ^0.50", STRATEGIES).text
    'margin * entropy^0.5'
    """

    def __init__(self, text: str, known: Mapping[str, Factor]) -> None:
        powers = factors(text)
        for name, _ in powers:
            if name not in known:
                raise Misconfigured(f"write factors out of {', '.join(known)}, not {_short(name)}")
        self.text = " * ".join(name if power == 1.0 else f"{name}^{_plain(power)}" for name, power in powers)
        chosen = [(name, known[name], power) for name, power in powers]
        self._by_model = [(factor.judge, power) for _, factor, power in chosen if isinstance(factor, ByModel)]
        self._by_memory = [
            (factor.judge, power) for _, factor, power in chosen if isinstance(factor, ByHistory)
        ]
        self._needs = {name: factor.needs for name, factor, _ in chosen if isinstance(factor, ByModel)}
        self._powers = [(number, power) for number, (_, power) in enumerate(self._by_memory, 1)]
        self.remembers = bool(self._by_memory)
        self.by_samples = any(factor.by_samples for _, factor, _ in chosen if isinstance(factor, ByHistory))
        self.needs = frozenset[Need]().union(*self._needs.values())
        if self.remembers:
            self.needs |= {Need.REFERENCE_SET}

    def utilities(self, candidates: Candidates) -> Floats:
        """What the factors say that judge by the model alone, in [0, 1].

        Samples that River fails on are in `sights.failed` then.
        """
        found = np.ones(len(candidates.samples))
        for judge, power in self._by_model:
            judged = _bounded(judge(candidates))
            found *= judged if power == 1.0 else judged**power
        return found

    def ahead(self, sketches: Points, history: HistoryCursor, pending: int) -> list[tuple[float, ...]]:
        """What the factors by memory say of the samples to come, in [0, 1], a tuple a sample.

        It holds until something is remembered that a factor goes by: a query, or with `by_samples` a sample.
        """
        judged = [_bounded(judge(sketches, history, pending)) for judge, _ in self._by_memory]
        rounded = [values.astype("<f4").tolist() for values in judged]  # as they will be remembered
        return list(zip(*rounded, strict=True))

    def ranked(self, ranks: Sequence[float]) -> float:
        """The product of the parts' ranks, in (0, 1); the first is that of the utility by model."""
        utility = ranks[0]
        for number, power in self._powers:
            utility *= ranks[number] ** power
        return utility

    def model(
        self, definition: str, *, seed: int, max_classes: int = 1000, committee: Sequence[str] = ()
    ) -> Model:
        """The untrained model, with all that this strategy asks of it and no more.

        Raises:
            Misconfigured: The definition makes no model that can serve, or none that can serve this strategy.

        >>> from stream_al.engine.strategies import STRATEGIES
        >>> Strategy("margin * density", STRATEGIES).model("GaussianNB()", seed=0).reference_set is None
        False
        """
        model = Model(
            definition,
            seed=seed,
            max_classes=max_classes,
            committee=committee if Need.MEMBERS in self.needs else (),
            reference_set=Need.REFERENCE_SET in self.needs,
        )
        has = {Need.MEMBERS: model.has_members, Need.GRADIENT: model.is_linear, Need.REFERENCE_SET: True}
        for name, needs in self._needs.items():
            if missing := next((need for need in needs if not has[need]), None):
                raise Misconfigured(f"{name} {_MISSING[missing]}")
        return model


def _bounded(judged: Floats) -> Floats:
    """Kept in [0, 1]: rounding may step over an end by one bit, and NaN is worth nothing."""
    kept: Floats = np.fmin(np.fmax(judged, 0.0), 1.0)
    return kept


def _plain(power: float) -> str:
    return f"{power:.9f}".rstrip("0").rstrip(".")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
