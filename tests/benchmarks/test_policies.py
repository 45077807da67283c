"""Laws of the policies: each follows its definition, and all are compared fairly."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from river import tree
from river.active import EntropySampler as RiverSampler

from stream_al.errors import Misconfigured
from tests.benchmarks.efficiency.policies import POLICIES, formulas, moa, ours, policy
from tests.benchmarks.efficiency.prequential import Baseline, Candidate, Terms, evaluate
from tests.benchmarks.efficiency.streams import load

CAPPED = ("moa_fixed", "moa_variable", "moa_random_variable", "moa_selective", "prodigy", "density_split")


def _candidate(*probabilities: float, at: int = 0) -> Candidate:
    sample: Any = SimpleNamespace(id=str(at))
    return Candidate(sample, np.array(probabilities), 0)


def _rate(baseline: Baseline, number: int = 4000) -> float:
    probabilities = np.random.default_rng(1).uniform(0.5, 1.0, number).tolist()
    return sum(baseline.decide(_candidate(p, 1 - p, at=k)) for k, p in enumerate(probabilities)) / number


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_a_function_of_its_seed(name: str) -> None:
    """Two equal runs buy the same labels. Without random draws another seed buys them too."""
    stream = load("river_segments", None, 300, 0)
    _, chosen = policy(name)

    def bought(seed: int) -> list[int]:
        return evaluate(stream, "logistic", chosen.make, Terms(0.2, 7, seed), delay=5).bought

    first = bought(0)
    assert bought(0) == first
    if not chosen.random:
        assert bought(1) == first


@pytest.mark.parametrize("name", CAPPED)
def test_a_cap_on_the_share_is_never_exceeded(name: str) -> None:
    stream = load("river_bananas", None, 600, 0)
    bought = evaluate(stream, "logistic", policy(name)[1].make, Terms(0.05, 2, 0)).bought
    assert all(number <= 0.05 * (position - 29) + 1 for number, position in enumerate(bought, 1))


@pytest.mark.parametrize("rule", [formulas.EntropySampler, formulas.ImportanceWeighted])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_a_rule_without_a_budget_is_controlled_towards_it(rule: Any, share: float) -> None:
    assert abs(_rate(rule(Terms(share, 2, 0))) / share - 1) < 0.1


def test_the_baselines_buy_their_share() -> None:
    assert abs(_rate(formulas.Bernoulli(Terms(0.1, 2, 0))) - 0.1) < 0.015
    assert _rate(formulas.Periodic(Terms(0.1, 2, 0))) == 0.1


def test_the_entropy_sampler_has_rivers_formula() -> None:
    river: Any = RiverSampler(tree.HoeffdingTreeClassifier())
    own = formulas.EntropySampler(Terms(0.25, 3, 0))  # it starts with River's default factor, 3
    for given in np.random.default_rng(0).dirichlet(np.ones(3), 50):
        assert own.chance(_candidate(*given)) == pytest.approx(river._p(dict(enumerate(given))))
    assert own.chance(_candidate(1.0, 0.0)) == river._p({0: 1.0, 1: 0.0}) == 0.0


def test_importance_weighting_buys_less_when_the_margin_is_wider() -> None:
    """The probability is 1 without a margin, and never rises with the margin."""
    rule = formulas.ImportanceWeighted(Terms(0.05, 2, 0))
    chances = []
    for gap in np.linspace(0.0, 0.999, 500):
        rule.seen = 1000
        chances.append(rule.chance(_candidate((1 + gap) / 2, (1 - gap) / 2)))
    assert chances[0] == 1.0
    assert chances[-1] < 0.01
    assert all(a >= b for a, b in pairwise(chances))


def test_selective_sampling_has_its_published_probability() -> None:
    """B / (B + |p1 - 1/k|): a half where the distance equals the budget."""
    rule = moa.Selective(Terms(0.2, 2, 0))
    assert abs(np.mean([rule.wants(0.7) for _ in range(4000)]) - 0.5) < 0.03


def test_our_policy_is_the_default_of_the_settings_and_any_other_can_be_named() -> None:
    stream = load("river_bananas", None, 400, 0)
    runs = [
        evaluate(stream, "nb", policy(text)[1].make, Terms(0.1, 2, 0)).bought
        for text in ("ours", f"same={ours.DEFAULT}", "other=random:stratified:1.0")
    ]
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == 37


@pytest.mark.parametrize("definition", ["margin * density:stratified:0.1", "diversity^0.5:stratified:0"])
def test_a_strategy_gets_the_model_that_it_needs(definition: str) -> None:
    """A strategy with a history of the stream runs like any other, and buys its share."""
    stream = load("river_bananas", None, 400, 0)
    assert len(evaluate(stream, "nb", policy(f"x={definition}")[1].make, Terms(0.1, 2, 0)).bought) == 37


@pytest.mark.parametrize("text", ["nobody", "x=margin", "x=nothing:stratified:0.1", "x=margin:stratified:2"])
def test_an_unknown_policy_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"write|there are"):
        policy(text)


def test_without_the_extra_package_all_other_policies_run() -> None:
    """scikit-activeml is imported when one of its rules is made, and not before."""
    code = (
        "import sys; sys.modules['skactiveml'] = None\n"
        "from tests.benchmarks.efficiency.command import main\n"
        "sys.exit(main('', '--streams sea --learners nb --policies ours --samples 100 --seeds 1 --delays 0 '"
        "'--budgets 0.1 --jobs 1 --json --out /dev/null'.split()))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", code], cwd=root, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
