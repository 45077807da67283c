"""scikit-activeml's stream rules, run from the installed package.

Its budget managers get the utility 1 - p1, from the probabilities of the learner. Its strategies need a
classifier of the package's own class. `_River` is one that returns the probabilities of the learner.
Distances are those between standardised features (`Sample.vector`). All parameters but the budget are the
defaults of the package. The package is imported when the first rule is made.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stream_al.messages import ClassLabel
from tests.benchmarks.efficiency.prequential import Baseline, Candidate, Terms
from tests.benchmarks.efficiency.streams import Sample

KEPT = 500  # labelled samples from which PAL estimates how often a region was labelled
MANY = 10  # with more classes PAL looks one label ahead instead of two: its cost grows with their square
NOTHING = np.zeros((1, 1))


class Managed(Baseline):
    """A budget manager of the package, with the utility 1 - p1."""

    def __init__(self, manager: Any, *, remembers: bool = False) -> None:
        self.manager = manager
        self.remembers = remembers

    def decide(self, candidate: Candidate) -> bool:
        utility = np.array([1.0 - float(candidate.probabilities.max())])
        chosen = self.manager.query_by_utility(utility)
        known = {"utilities": utility} if self.remembers else {}
        self.manager.update(NOTHING, chosen, **known)
        return len(chosen) > 0


class Strategic(Baseline):
    """A query strategy of the package, with its own budget manager."""

    def __init__(self, strategy: Any) -> None:
        self.strategy = strategy
        self.river = _river()

    def decide(self, candidate: Candidate) -> bool:
        self.river.said = candidate.probabilities
        candidates = candidate.sample.vector.reshape(1, -1)
        chosen = self.strategy.query(candidates, clf=self.river)
        self.strategy.update(candidates, chosen)
        return len(chosen) > 0


class Probabilistic(Baseline):
    """PAL with the quantile filter (Kottke, Krempl, Spiliopoulou 2015).

    How often a region was labelled is the sum of Gaussian kernels over the last 500 labelled samples, with
    the bandwidth of the package's Parzen window (its `gamma="mean"`). It is multiplied by the probabilities
    of the learner, as the package does with a kernel.
    """

    def __init__(self, terms: Terms) -> None:
        from skactiveml.stream import StreamProbabilisticAL  # noqa: PLC0415 (an extra)

        m_max = 2 if terms.classes <= MANY else 1
        self.strategy = StreamProbabilisticAL(budget=terms.share, random_state=terms.seed, m_max=m_max)
        self.river = _river()
        self.labelled: deque[Any] = deque(maxlen=KEPT)
        self.kept: Any = None
        self.gamma = 1.0

    def decide(self, candidate: Candidate) -> bool:
        vector = candidate.sample.vector
        if self.kept is None:
            self._estimate()
        distances = np.square(self.kept - vector).sum(axis=1)
        self.river.said = candidate.probabilities
        self.river.frequency = float(np.exp(-self.gamma * distances).sum())
        candidates = vector.reshape(1, -1)
        chosen, utilities = self.strategy.query(candidates, clf=self.river, return_utilities=True)
        self.strategy.update(candidates, chosen, budget_manager_param_dict={"utilities": utilities})
        return len(chosen) > 0

    def label(self, sample: Sample, label: ClassLabel) -> None:
        self.labelled.append(sample.vector)
        self.kept = None

    def _estimate(self) -> None:
        self.kept = np.array(self.labelled)
        number, spread = len(self.kept), float(self.kept.var(axis=0).sum())
        # Chaudhuri et al.: The Mean and Median Criteria for Kernel Bandwidth Selection (ICMLA 2017)
        numerator = (number - 1) * np.log((number - 1) / (2.0 * 1e-12))
        self.gamma = 0.5 * numerator / (2.0 * number * spread) if spread else 1.0 / self.kept.shape[1]


def _river() -> Any:
    from skactiveml.base import SkactivemlClassifier  # noqa: PLC0415 (an extra)

    class _River(SkactivemlClassifier):  # type: ignore[misc] # the package has no types
        """Returns the probabilities of the learner, for every input."""

        said: Any = None
        frequency = 1.0

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:  # noqa: N803 (the package's name)
            return self

        def predict_proba(self, X: Any) -> Any:  # noqa: N803 (the package's name)
            return self.said.reshape(1, -1)

        def predict_freq(self, X: Any) -> Any:  # noqa: N803 (the package's name)
            return self.frequency * self.said.reshape(1, -1)

    return _River()


def _distances(window: Sequence[Any], candidates: Any) -> Any:
    """Euclidean distances, without the checks that take most of the time of the package's own function."""
    return np.sqrt(np.square(np.asarray(window) - candidates[0]).sum(axis=1))


def _managers() -> Any:
    from skactiveml.stream import budgetmanager  # noqa: PLC0415 (an extra)

    return budgetmanager


def _strategies() -> Any:
    from skactiveml import stream  # noqa: PLC0415 (an extra)

    return stream


def fixed(terms: Terms) -> Baseline:
    classes = list(range(terms.classes))
    return Managed(_managers().FixedUncertaintyBudgetManager(classes=classes, budget=terms.share))


def variable(terms: Terms) -> Baseline:
    return Managed(_managers().VariableUncertaintyBudgetManager(budget=terms.share))


def random_variable(terms: Terms) -> Baseline:
    manager = _managers().RandomVariableUncertaintyBudgetManager
    return Managed(manager(budget=terms.share, random_state=terms.seed))


def split(terms: Terms) -> Baseline:
    return Managed(_managers().SplitBudgetManager(budget=terms.share, random_state=terms.seed))


def random_manager(terms: Terms) -> Baseline:
    return Managed(_managers().RandomBudgetManager(budget=terms.share, random_state=terms.seed))


def density_split(terms: Terms) -> Baseline:
    return Managed(_managers().DensityBasedSplitBudgetManager(budget=terms.share, random_state=terms.seed))


def quantile_filter(terms: Terms) -> Baseline:
    return Managed(_managers().BalancedIncrementalQuantileFilter(budget=terms.share), remembers=True)


def density(terms: Terms) -> Baseline:
    strategy = _strategies().StreamDensityBasedAL
    return Strategic(strategy(budget=terms.share, random_state=terms.seed, dist_func=_distances))


def cognitive(kind: str) -> Callable[[Terms], Baseline]:
    """The cognitive dual query strategy (Liu et al. 2023) with one of its four budget managers."""

    def make(terms: Terms) -> Baseline:
        # As published, a label in a sparse region is not charged; the package warns about it every time.
        warnings.filterwarnings("ignore", "force_full_budget is set to False")
        classes = {"classes": list(range(terms.classes))} if kind == "FixUn" else {}
        strategy = getattr(_strategies(), f"CognitiveDualQueryStrategy{kind}")
        return Strategic(
            strategy(budget=terms.share, random_state=terms.seed, dist_func=_distances, **classes)
        )

    return make


def probabilistic(terms: Terms) -> Baseline:
    return Probabilistic(terms)
