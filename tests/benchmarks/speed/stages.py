"""The time of a decision in the engine alone, by stage. A process of its own.

    python -m tests.benchmarks.speed.stages CASE STRATEGY SAMPLES

    decode   bytes to JSON values
    read     values to samples
    score    the prediction of the model, and the utility
    decide   history and budget manager

Batches have the size `BATCH`, as in a busy service. The rest of the cost of the service is that of Kafka:
fetching, committing, publishing queries. It prints CPU microseconds a sample, of the fastest of `ROUNDS`
rounds, because other work of the machine can only make a round slower.
"""

from __future__ import annotations

import gc
import json
import sys
import time

from stream_al.engine.budgets import Context
from stream_al.engine.model.model import Model
from stream_al.engine.samples.fast_reader import Reader
from stream_al.engine.samples.sample import InputRules
from stream_al.engine.selector import Selector
from stream_al.errors import BadMessage
from stream_al.messages import decode_json
from tests.benchmarks.speed.cases import CASES, LEARNED

BATCH = 500
ROUNDS = 3
PENDING = 50
STAGES = ("decode", "read", "score", "decide")


def measure(case_name: str, strategy: str, number: int) -> dict[str, float]:
    """CPU microseconds a sample, by stage."""
    case = next(case for case in CASES if case.name == case_name)
    selector = Selector(strategy, "stratified", share=0.05, exploration=0.05, seed=0)
    model = selector.strategy.model(case.model, seed=0)
    for row in case.rows(LEARNED, seed=1):
        model.learn(row.features, row.label)
    values = [row.encoded() for row in case.rows(number)]
    rounds = [_round(selector, model, values) for _ in range(ROUNDS)]
    return {stage: 1e6 * cost / number for stage, cost in zip(STAGES, min(rounds, key=sum), strict=True)}


def _round(selector: Selector, model: Model, values: list[bytes]) -> list[float]:
    """CPU seconds by stage."""
    reader, state, spent = Reader(InputRules()), selector.start(), [0.0] * len(STAGES)
    for begin in range(0, len(values), BATCH):
        times = [time.process_time()]
        given = [decode_json(value, max_bytes=10**6) for value in values[begin : begin + BATCH]]
        times.append(time.process_time())
        samples = [reader.read(record, key=None, position=str) for record in given]
        times.append(time.process_time())
        seen = selector.score_many(model, samples, [0] * len(samples))
        times.append(time.process_time())
        arrivals = [arrival for arrival in seen if not isinstance(arrival, BadMessage)]
        _, state = selector.decide(state, arrivals, Context(pending=PENDING))
        times.append(time.process_time())
        spent = [before + after - at for before, at, after in zip(spent, times, times[1:], strict=False)]
    return spent


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000)  # as in the service
    sys.stdout.write(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
