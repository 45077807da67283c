"""The comparison of models: what it runs, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.efficiency.learners import MODELS, definition
from tests.benchmarks.efficiency.model_command import main
from tests.benchmarks.efficiency.model_tables import groups, tables
from tests.benchmarks.efficiency.selection_gain import selection_gain
from tests.benchmarks.efficiency.streams import load

ASKED = ["--quick", "--json", "--jobs", "1", "--streams", "sea", "--models", "auto,nb", "--samples", "400"]


def test_an_interrupted_comparison_goes_on_and_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.jsonl"
    assert main(None, [*ASKED, "--delays", "0", "--out", str(out)]) == 0
    first = json.loads(capsys.readouterr().out)
    lines = out.read_text(encoding="utf-8").splitlines()
    out.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40], encoding="utf-8")
    assert main(None, [*ASKED, "--delays", "0", "--out", str(out)]) == 0
    second = json.loads(capsys.readouterr().out)
    for summary in (first, second):
        for group in summary["groups"]:
            for model in group["models"]:
                del model["ms"]
    assert second == first
    assert {group["policy"] for group in first["groups"]} == {"random", "ours"}


@pytest.mark.parametrize("model", MODELS)
def test_every_model_can_be_made_for_streams_of_numbers(model: str) -> None:
    from stream_al.engine.model.model import Model  # noqa: PLC0415 (River is slow to import)

    stream = load("sea", None, 100, 0)
    made = Model(definition(model, stream), seed=1)
    for sample in stream.samples:
        made.learn(sample.features, sample.label)
    assert made.probabilities(stream.samples[0].features)


def line(model: str, stream: str, accuracy: float) -> dict[str, object]:
    scores = {"accuracy": accuracy, "kappa": 0.0, "g_mean": 0.0, "seconds": 1.0, "samples": 100}
    return {"policy": "random", "budget": 0.05, "delay": 0, "stream": stream, "learner": model, **scores}


def test_gain_and_worst_are_measured_against_the_single_models() -> None:
    lines = [line("auto", "a", 0.9), line("nb", "a", 0.8), line("knn", "a", 0.7)]
    lines += [line("auto", "b", 0.5), line("nb", "b", 0.6), line("knn", "b", 0.3)]
    (group,) = groups(lines)
    auto = group["models"][0]
    assert auto["gain"] == pytest.approx(0.0)  # of means: 0.7 and 0.7
    assert (auto["worst"], auto["worst_stream"]) == (pytest.approx(10.0), "b")
    assert auto["rank"] == pytest.approx(1.5)
    assert tables([group])[0].rows[0][0] == "auto"


def test_the_gain_of_the_selection_is_that_of_pairs_of_seeds() -> None:
    """A case is better or worse where its seeds agree, and a run without its pair does not count."""
    lines = []
    for stream, gaps in (
        ("up", (0.02, 0.03, 0.025)),
        ("down", (-0.02, -0.03, -0.025)),
        ("noise", (0.1, -0.1, 0.0)),
    ):
        for seed, gap in enumerate(gaps):
            lines += [
                {
                    **line("auto", stream, 0.7 + (gap if policy == "ours" else 0.0)),
                    "seed": seed,
                    "policy": policy,
                }
                for policy in ("random", "ours")
            ]
    alone = {**line("auto", "up", 0.1), "seed": 9, "policy": "ours"}
    found = selection_gain([*lines, alone])
    assert found is not None
    assert (found["cases"], found["better"], found["worse"]) == (3, 1, {"down, 5%, 0 late": -2.5})
    assert found["points"] == {"5%, 0 late": 0.0}
    assert selection_gain([alone]) is None
