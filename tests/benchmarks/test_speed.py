"""The benchmarks of speed run, and their samples are as described. No speed is tested."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from stream_al.engine.model.model import Model
from stream_al.messages import Example, decode
from tests.benchmarks.speed.cases import CASES, Case
from tests.broker.kafka import IN_CI, IS_INSTALLED, WANTING

ROOT = Path(__file__).parents[2]
NUMBERS = {"floor_us", "river_us", "select_us", "service_us", "wall_us", "ratio_to_floor"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_samples_follow_their_case_and_can_be_learned(case: Case) -> None:
    rows = list(case.rows(1500))
    assert [row.encoded() for row in case.rows(9)] == [row.encoded() for row in rows[:9]]
    assert len({row.id for row in rows}) == len(rows)
    if case.kind != "text":
        assert {len(row.features) for row in rows} == {case.present}
        assert len({name for row in rows for name in row.features}) == case.features
    counts = Counter(row.label for row in rows)
    assert min(counts.values()) > 0.3 * len(rows)
    model = Model(case.model, seed=0)
    for row in rows[:200]:
        example = decode(Example, row.example(), max_bytes=100_000)
        model.learn(example.features or {}, example.label)
    assert model.classes.keys() == {"high", "low"}
    assert msgspec.json.decode(rows[0].label_message())["label"] == rows[0].label


@pytest.mark.long
@pytest.mark.skipif(not (IS_INSTALLED or IN_CI), reason=WANTING)
async def test_the_cost_of_a_sample_can_be_measured() -> None:
    """One case in the quick form, with a broker and processes of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("tests/benchmarks/throughput.py", "--quick", "--json", "--no-activeml"),
        *("--cases", "tree", "--strategies", "margin"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    (line,) = json.loads(out)["cases"]
    assert (line["model"], line["features"], line["samples"]) == (CASES[3].model, 10, 3000)
    assert line["labels"] == 150  # exactly the budget, and all of them are learned
    assert all(line[name] > 0 for name in NUMBERS)
