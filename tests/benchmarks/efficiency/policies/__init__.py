"""The policies by name: our own, and as baselines every known rule that buys labels one by one.

A baseline is the rule of an installed package where there is one. Otherwise it follows the published formula,
which its docstring gives. `POLICIES` says how each is made, which package it needs, whether it is slow, and
whether it draws at random. Without random draws, one run on a recorded stream holds for all seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from stream_al.errors import Misconfigured
from tests.benchmarks.efficiency.policies import formulas, moa, ours
from tests.benchmarks.efficiency.policies import scikit_activeml as activeml
from tests.benchmarks.efficiency.prequential import Rule, Terms

__all__ = ["OURS", "POLICIES", "Policy", "policy"]

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to buy labels.

    Attributes:
        make: Makes the rule for one run.
        random: Whether it draws at random.
        slow: Whether it needs milliseconds a sample.
        package: The package that must be installed.
        ranked: Whether it is part of a comparison that names no policies.
        definition: Of one of our own policies: strategy:manager:exploration.
    """

    make: Callable[[Terms], Rule]
    random: bool = True
    slow: bool = False
    package: str | None = None
    ranked: bool = True
    definition: str = ""


def _activeml(make: Callable[[Terms], Rule], *, random: bool = True, slow: bool = True) -> Policy:
    return Policy(make, random, slow, package="skactiveml")


POLICIES: dict[str, Policy] = {
    OURS: Policy(ours.default, definition=ours.DEFAULT),
    "random": Policy(formulas.Bernoulli),
    "periodic": Policy(formulas.Periodic),
    "fixed": _activeml(activeml.fixed, random=False),
    "variable": _activeml(activeml.variable, random=False),
    "random_variable": _activeml(activeml.random_variable),
    "split": _activeml(activeml.split),
    "random_manager": _activeml(activeml.random_manager),
    "density_split": _activeml(activeml.density_split),
    "biqf": _activeml(activeml.quantile_filter, random=False),
    "density": _activeml(activeml.density),
    "cognitive_random": _activeml(activeml.cognitive("Ran")),
    "cognitive_fixed": _activeml(activeml.cognitive("FixUn"), random=False),
    "cognitive_variable": _activeml(activeml.cognitive("VarUn"), random=False),
    "cognitive_random_variable": _activeml(activeml.cognitive("RanVarUn")),
    "pal": _activeml(activeml.probabilistic, random=False),
    "moa_fixed": Policy(moa.Fixed, random=False),
    "moa_variable": Policy(moa.Variable, random=False),
    "moa_random_variable": Policy(moa.RandomVariable),
    "moa_selective": Policy(moa.Selective),
    "river_entropy": Policy(formulas.EntropySampler),
    "vw_iwal": Policy(formulas.ImportanceWeighted),
    "prodigy": Policy(formulas.MovingAverage, random=False),
    "prodigy_uncapped": Policy(formulas.Uncapped, random=False, ranked=False),
}


def policy(text: str) -> tuple[str, Policy]:
    """A policy by name, or one of our own as `name=strategy:manager:exploration`.

    Raises:
        Misconfigured: There is no such policy, or its package is not installed.
    """
    name, own, definition = text.partition("=")
    if own:
        return name, Policy(ours.named(definition), definition=definition)
    if name not in POLICIES:
        raise Misconfigured(
            f"there is no policy {name!r}; there are {', '.join(POLICIES)}, "
            "and name=strategy:manager:exploration"
        )
    found = POLICIES[name]
    if found.package and find_spec(found.package) is None:
        raise Misconfigured(f"{name} comes from scikit-activeml: pip install 'stream_al[bench]'")
    return name, found
