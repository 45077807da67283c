"""The plan: which runs make a comparison.

Our policy and random run on every seed, because the claims are about them. The baselines are there for the
ranks and run on fewer seeds. A slow baseline, which needs milliseconds a sample, runs on one seed, and on a
short list of streams unless streams are named. `full` runs everything and takes days. `quick` runs a small
part in minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from tests.benchmarks.efficiency.jobs import Job
from tests.benchmarks.efficiency.learners import LEARNERS
from tests.benchmarks.efficiency.policies import OURS, POLICIES, policy
from tests.benchmarks.efficiency.prequential import REAL
from tests.benchmarks.efficiency.streams import WARM_START, available, load

__all__ = ["RANDOM", "Plan", "jobs"]

RANDOM = "random"
WRONG = 0.2  # the share of wrong labels of the fifth claim
WRONG_BUDGET = 0.05
WRONG_DELAYS: tuple[int | str, ...] = (0, 500)
SHORT_LIST = (
    *("airlines_2008_delayed", "electricity", "keystroke", "ozone", "sms_spam"),
    *("river_segments", "sea", "rbf_drift", "led_drift", "sine_rare"),
)
QUICK_STREAMS = ("airlines_2008_delayed", "electricity", "ozone", "river_segments", "sea", "sine_rare")
QUICK_POLICIES = (
    *("ours", "random", "periodic", "variable", "split", "biqf", "density", "pal"),
    *("moa_variable", "moa_selective", "river_entropy", "vw_iwal", "prodigy"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compare.

    Attributes:
        data: Where the recorded streams lie.
        streams: Names; without any, all streams, and the slow baselines on the short list.
        learners: Names.
        policies: Names, or definitions of our own; without any, all that are ranked and installed.
        budgets: Shares.
        delays: In samples, or `REAL`.
        seeds: How many, for our own policies and random.
        baseline_seeds: How many, for the baselines.
        slow_seeds: How many, for the slow baselines.
        samples: How many of each stream, at most.
        full: Every policy on every stream and seed.
    """

    data: Path | None
    streams: tuple[str, ...] = ()
    learners: tuple[str, ...] = LEARNERS
    policies: tuple[str, ...] = ()
    budgets: tuple[float, ...] = (0.01, 0.05, 0.1)
    delays: tuple[int | str, ...] = (0, 500, 2000, REAL)
    seeds: int = 10
    baseline_seeds: int = 3
    slow_seeds: int = 1
    samples: int = 10_000
    full: bool = False

    @classmethod
    def quick(cls, data: Path | None) -> Plan:
        """A few streams, short, at one budget: under five minutes on two cores."""
        return cls(
            data,
            streams=tuple(name for name in QUICK_STREAMS if name in available(data)),
            learners=("nb", "logistic"),
            policies=tuple(name for name in QUICK_POLICIES if _installed(name)),
            budgets=(0.05,),
            delays=(0, 500, REAL),
            seeds=3,
            baseline_seeds=3,
            samples=3000,
        )


def jobs(plan: Plan) -> list[Job]:
    """The jobs. Those of one stream and seed follow each other, so that a process reads the stream once."""
    chosen = plan.policies or tuple(n for n, p in POLICIES.items() if p.ranked and _installed(n))
    if not {text.partition("=")[0] for text in chosen} >= {RANDOM}:
        chosen = (*chosen, RANDOM)  # every policy is compared with it
    found: list[Job] = []
    for name in plan.streams or available(plan.data):
        for seed in range(plan.seeds):
            found += _of_stream(plan, name, seed, chosen)
    return found


def _of_stream(plan: Plan, name: str, seed: int, chosen: Sequence[str]) -> Iterator[Job]:
    stream = load(name, plan.data, plan.samples, 0)
    longest = len(stream.samples) - WARM_START - 1  # with a longer delay no label would come
    delays = [d for d in plan.delays if (stream.real_delays if d == REAL else int(d) <= longest)]
    wrong = [d for d in delays if d in WRONG_DELAYS and WRONG_BUDGET in plan.budgets]
    data = str(plan.data) if plan.data else None
    for text in chosen:
        if seed >= _seeds(plan, name, text):
            continue
        for learner, delay in product(plan.learners, delays):
            for budget in plan.budgets:
                yield Job(name, learner, budget, delay, seed, text, 0.0, plan.samples, data)
            if delay in wrong and text.partition("=")[0] in (OURS, RANDOM):
                yield Job(name, learner, WRONG_BUDGET, delay, seed, text, WRONG, plan.samples, data)


def _seeds(plan: Plan, stream: str, text: str) -> int:
    name, found = policy(text)
    if plan.full or name in (OURS, RANDOM) or found.definition:
        return plan.seeds
    if found.slow:
        on_list = bool(plan.streams) or stream in SHORT_LIST
        return min(plan.seeds, plan.slow_seeds) if on_list else 0
    return min(plan.seeds, plan.baseline_seeds)


def _installed(name: str) -> bool:
    package = POLICIES[name].package
    return package is None or find_spec(package) is not None
