"""Laws of the rivals: each is what it is said to be, and is played fairly."""

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
from tests.benchmarks.play import Candidate, Rival, Terms, play
from tests.benchmarks.rivals import POLICIES, formulas, moa, ours, policy
from tests.benchmarks.streams import load

CAPPED = ("moa_fixed", "moa_variable", "moa_random_variable", "moa_selective", "prodigy", "density_split")


def _candidate(*probabilities: float, at: int = 0) -> Candidate:
    sample: Any = SimpleNamespace(id=str(at))
    return Candidate(sample, np.array(probabilities), 0)


def _rate(rival: Rival, number: int = 4000) -> float:
    beliefs = np.random.default_rng(1).uniform(0.5, 1.0, number).tolist()
    return sum(rival.decide(_candidate(p, 1 - p, at=k)) for k, p in enumerate(beliefs)) / number


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_a_function_of_its_seed(name: str) -> None:
    """Twice the same run gives the same purchases; without random draws any other seed gives them too."""
    stream = load("river_segments", None, 300, 0)
    _, chosen = policy(name)

    def bought(seed: int) -> list[int]:
        return play(stream, "logistic", chosen.make, Terms(0.2, 7, seed), delay=5).bought

    first = bought(0)
    assert bought(0) == first
    if not chosen.random:
        assert bought(1) == first


@pytest.mark.parametrize("name", CAPPED)
def test_a_cap_on_the_share_is_never_passed(name: str) -> None:
    stream = load("river_bananas", None, 600, 0)
    bought = play(stream, "logistic", policy(name)[1].make, Terms(0.05, 2, 0)).bought
    assert all(number <= 0.05 * (position - 29) + 1 for number, position in enumerate(bought, 1))


@pytest.mark.parametrize("rule", [formulas.EntropySampler, formulas.ImportanceWeighted])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_what_has_no_budget_is_steered_to_it(rule: Any, share: float) -> None:
    assert abs(_rate(rule(Terms(share, 2, 0))) / share - 1) < 0.1


def test_the_baselines_buy_their_share() -> None:
    assert abs(_rate(formulas.Bernoulli(Terms(0.1, 2, 0))) - 0.1) < 0.015
    assert _rate(formulas.Periodic(Terms(0.1, 2, 0))) == 0.1


def test_the_entropy_sampler_has_rivers_formula() -> None:
    river: Any = RiverSampler(tree.HoeffdingTreeClassifier())
    mine = formulas.EntropySampler(Terms(0.25, 3, 0))  # it starts with River's own factor, 3
    for given in np.random.default_rng(0).dirichlet(np.ones(3), 50):
        assert mine.chance(_candidate(*given)) == pytest.approx(river._p(dict(enumerate(given))))
    assert mine.chance(_candidate(1.0, 0.0)) == river._p({0: 1.0, 1: 0.0}) == 0.0


def test_importance_weighting_asks_less_the_wider_the_margin() -> None:
    """IWAL's chance is 1 without a margin, continuous where its branches meet, and falls from there."""
    rule = formulas.ImportanceWeighted(Terms(0.05, 2, 0))
    chances = []
    for gap in np.linspace(0.0, 0.999, 500):
        rule.seen = 1000
        chances.append(rule.chance(_candidate((1 + gap) / 2, (1 - gap) / 2)))
    assert chances[0] == 1.0
    assert chances[-1] < 0.01
    assert all(a >= b for a, b in pairwise(chances))


def test_selective_sampling_has_its_published_chance() -> None:
    """B / (B + |p1 - 1/k|): a half where the distance equals the budget."""
    rule = moa.Selective(Terms(0.2, 2, 0))
    assert abs(np.mean([rule.wants(0.7) for _ in range(4000)]) - 0.5) < 0.03


def test_ours_is_what_the_settings_say_and_any_other_can_be_named() -> None:
    stream = load("river_bananas", None, 400, 0)
    runs = [
        play(stream, "nb", policy(text)[1].make, Terms(0.1, 2, 0)).bought
        for text in ("ours", f"same={ours.DEFAULT}", "other=random:stratified:1.0")
    ]
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == 37


@pytest.mark.parametrize("definition", ["margin * density:stratified:0.1", "diversity^0.5:stratified:0"])
def test_a_strategy_gets_the_model_that_it_asks_for(definition: str) -> None:
    """One with a memory of the stream is played like any other, and buys its share."""
    stream = load("river_bananas", None, 400, 0)
    assert len(play(stream, "nb", policy(f"x={definition}")[1].make, Terms(0.1, 2, 0)).bought) == 37


@pytest.mark.parametrize("text", ["nobody", "x=margin", "x=nothing:stratified:0.1", "x=margin:stratified:2"])
def test_what_is_no_policy_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"write|there are"):
        policy(text)


def test_without_the_extra_everything_else_runs() -> None:
    """scikit-activeml is imported when one of its rules is made, and not before."""
    code = (
        "import sys; sys.modules['skactiveml'] = None\n"
        "from tests.benchmarks.command import main\n"
        "sys.exit(main('', '--streams sea --learners nb --policies ours --samples 100 --seeds 1 --delays 0 '"
        "'--budgets 0.1 --jobs 1 --json --out /dev/null'.split()))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", code], cwd=root, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
