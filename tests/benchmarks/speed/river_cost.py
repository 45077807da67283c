"""What the same predictions cost with River alone. A process of its own.

    python -m tests.benchmarks.speed.river_cost CASE SAMPLES

The model has learned `LEARNED` examples, as in the service. It predicts sample by sample, and in batches of
`BATCH` rows of an Arrow table if it has `predict_proba_many`; the faster way counts. It prints CPU seconds.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from stream_al.engine.model.definition.expression import load
from tests.benchmarks.speed.cases import CASES, LEARNED, Row

BATCH = 500


def trained(definition: str, rows: list[Row]) -> Any:
    """River's model after these examples."""
    model: Any = load(definition, seed=0)
    for row in rows:
        model.learn_one(row.features, row.label == "high" if not model._multiclass else row.label)
    return model


def one_by_one(model: Any, rows: list[Row]) -> float:
    """CPU seconds of predictions one by one."""
    begin = time.process_time()
    for row in rows:
        model.predict_proba_one(row.features)
    return time.process_time() - begin


def by_batch(model: Any, rows: list[Row]) -> float | None:
    """CPU seconds in batches, without making the tables; None if the model cannot predict in batches."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    if len({tuple(row.features) for row in rows}) > 1:
        return None  # a table fills gaps with a value, which the model would take for a number
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    tables = [pa.Table.from_pylist([row.features for row in batch]) for batch in batches]
    try:
        model.predict_proba_many(tables[0])
        begin = time.process_time()
        for table in tables:
            model.predict_proba_many(table)
        return time.process_time() - begin
    except Exception:  # noqa: BLE001 - a model without batches may raise anything
        return None


if __name__ == "__main__":
    case = next(case for case in CASES if case.name == sys.argv[1])
    drawn = list(case.rows(LEARNED + int(sys.argv[2])))
    subject = trained(case.model, drawn[:LEARNED])
    found = {"one": one_by_one(subject, drawn[LEARNED:]), "many": by_batch(subject, drawn[LEARNED:])}
    sys.stdout.write(json.dumps(found))
