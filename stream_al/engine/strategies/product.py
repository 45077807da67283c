"""A query strategy, as the settings name it: factors joined by `*`, each with an optional strength.

    margin
    margin * diversity^0.5
    entropy * density^0.3 * class_balance

    utility = product of factor^strength

In a product, scales do not matter: a factor that is half as large for all samples changes no order. A
strength below 1 weakens a factor, and one above 1 strengthens it. In a plain product a factor of 0 makes the
utility 0.

Where factors depend on the history, the product is one of *percentile ranks*:

    utility = rank(product of the model factors) * product of rank(history factor)^strength

A rank is that of a value among the partition's last values, in (0, 1). The probabilities of many models
saturate: with margins of 0.1 and 1e-9 in one stream, history factors would have no influence, since they vary
within an order of magnitude. A factor that is equal for all samples, such as novelty while no query is
pending, has a rank of one half and changes nothing. No rank is 0: a sample that repeats a query has the
lowest rank, and is still bought if no better sample comes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from stream_al.engine.model.limits import DEFAULT_LIMITS, Limits
from stream_al.engine.model.model import Model
from stream_al.engine.model.sketch import Points
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import Candidates, Factor, HistoryFactor, ModelFactor, Need
from stream_al.engine.strategies.history.history import HistoryCursor
from stream_al.errors import Misconfigured
from stream_al.terminal import quoted

__all__ = ["Strategy", "factors"]

STRONGEST = 10.0
_FACTOR = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\^\s*(\d{1,3}(?:\.\d{0,9})?|\.\d{1,9})\s*)?", re.ASCII)

_MISSING = {
    Need.MEMBERS: "needs several voters, and the model is one; make it an ensemble such as "
    "BaggingClassifier(GaussianNB(), n_models=10), or name two or more classifiers in model.committee",
    Need.GRADIENT: "needs a linear model of probabilities; end the model with LogisticRegression() or "
    "SoftmaxRegression(), or write model_change, which takes any model",
}


def factors(text: str) -> list[tuple[str, float]]:
    """The names in an expression, each with its strength.

    Raises:
        Misconfigured: The text is no such expression.

    >>> factors("margin*diversity ^ .5")
    [('margin', 1.0), ('diversity', 0.5)]
    """
    found: dict[str, float] = {}
    for part in text[:1000].split("*"):
        match = _FACTOR.fullmatch(part)
        if not match:
            raise Misconfigured(
                f"write factors joined by *, each with a strength if it needs one, such as "
                f"margin * diversity^0.5, not {quoted(text)}"
            )
        name, strength = match[1], float(match[2] or 1.0)
        if name in found:
            raise Misconfigured(f"write {name} once, with a strength such as {name}^2, not {quoted(text)}")
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
        looks_ahead: Whether it copies the model for each sample.
        uses_history: Whether it depends on the history.
        uses_samples: Whether it depends on the samples in the history, and not only on the queries.

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
                raise Misconfigured(f"write factors out of {', '.join(known)}, not {quoted(name)}")
        self.text = " * ".join(name if power == 1.0 else f"{name}^{_plain(power)}" for name, power in powers)
        chosen = [(name, known[name], power) for name, power in powers]
        self._model_factors = [(f.utilities, power) for _, f, power in chosen if isinstance(f, ModelFactor)]
        history = [(f, power) for _, f, power in chosen if isinstance(f, HistoryFactor)]
        self._history_factors = [factor.utilities for factor, _ in history]
        self._history_powers = [power for _, power in history]
        self._needs = {name: f.needs for name, f, _ in chosen if isinstance(f, ModelFactor)}
        self.looks_ahead = any(isinstance(f, ModelFactor) and f.looks_ahead for _, f, _ in chosen)
        self.uses_history = bool(history)
        self.uses_samples = any(factor.uses_samples for factor, _ in history)
        self.needs = frozenset[Need]().union(*self._needs.values())
        if self.uses_history:
            self.needs |= {Need.REFERENCE_SET}

    def utilities(self, candidates: Candidates) -> Floats:
        """The product of the model factors, in [0, 1].

        The samples that River fails on are in `candidates.failed` afterwards.
        """
        product = np.ones(len(candidates.samples))
        for factor, power in self._model_factors:
            values = _bounded(factor(candidates))
            product *= values if power == 1.0 else values**power
        return product

    def history_utilities(
        self, sketches: Points, history: HistoryCursor, pending: int
    ) -> list[tuple[float, ...]]:
        """The history factors of the next samples, in [0, 1], a tuple a sample.

        They are valid until the history that they use changes: with the next query, or with the next sample
        where `uses_samples`.
        """
        values = [_bounded(factor(sketches, history, pending)) for factor in self._history_factors]
        rounded = [column.astype("<f4").tolist() for column in values]  # as they will be remembered
        return list(zip(*rounded, strict=True))

    def utility_of_ranks(self, ranks: Sequence[float]) -> float:
        """The product of the percentile ranks, in (0, 1).

        Args:
            ranks: The first is that of the product of the model factors; the others those of the history
                factors.
        """
        utility, *others = ranks
        for rank, power in zip(others, self._history_powers, strict=True):
            utility *= rank**power
        return utility

    def model(
        self,
        definition: str,
        *,
        seed: int,
        limits: Limits = DEFAULT_LIMITS,
        committee: Sequence[str] = (),
    ) -> Model:
        """The untrained model, with everything that this strategy needs and no more.

        Raises:
            Misconfigured: The definition makes no model that can serve, or none that has what the strategy
                needs.

        >>> from stream_al.engine.strategies import STRATEGIES
        >>> Strategy("margin * density", STRATEGIES).model("GaussianNB()", seed=0).reference_set is None
        False
        """
        model = Model(
            definition,
            seed=seed,
            limits=limits,
            committee=committee if Need.MEMBERS in self.needs else (),
            reference_set=Need.REFERENCE_SET in self.needs,
        )
        has = {Need.MEMBERS: model.has_members, Need.GRADIENT: model.is_linear, Need.REFERENCE_SET: True}
        for name, needs in self._needs.items():
            if missing := next((need for need in needs if not has[need]), None):
                raise Misconfigured(f"{name} {_MISSING[missing]}")
        return model


def _bounded(utilities: Floats) -> Floats:
    """The utilities in [0, 1]: rounding may pass an end by one bit, and NaN becomes 0."""
    bounded: Floats = np.fmin(np.fmax(utilities, 0.0), 1.0)
    return bounded


def _plain(power: float) -> str:
    return f"{power:.9f}".rstrip("0").rstrip(".")
