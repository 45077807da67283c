"""What learning the examples of `speed.stored` costs with River alone. A process of its own.

    python -m tests.benchmarks.speed.river_learning EXAMPLES

Features and labels are in memory before. It prints CPU and wall seconds of all calls of `learn_one`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from stream_al.engine.model.definition.expression import load
from tests.benchmarks.speed.stored import CASE, repeated


def run(number: int) -> dict[str, float]:
    """Learn this number of examples."""
    model: Any = load(CASE.model, seed=0)
    drawn = [(row.features, row.label == "high") for row in repeated(number, "e")]
    cpu, wall = time.process_time(), time.perf_counter()
    for features, label in drawn:
        model.learn_one(features, label)
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(int(sys.argv[1]))))
