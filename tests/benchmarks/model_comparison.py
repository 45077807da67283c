"""Which model learns most from few labels?

    python tests/benchmarks/model_comparison.py --data DIR              the comparison
    python tests/benchmarks/model_comparison.py --data DIR --quick      a small part of it, in minutes
    python tests/benchmarks/model_comparison.py --models auto,arf,knn --policies random

Each model sees the same samples and, under the policy `random`, learns from the same labels; under `ours` it
selects them itself, by the default strategy and budget manager. Without --data the streams are those of
River's wheel and River's generators. The file --out keeps the results, and a run with a result does not run
again, so the same command continues an interrupted comparison.
"""

import os
import sys
from pathlib import Path

# One thread a process: the arrays are small, and there is a process for every core.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.efficiency.model_command import main

    sys.exit(main(__doc__))
