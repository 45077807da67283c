"""How much accuracy does the selection gain for its labels, compared with every other known policy?

    python tests/benchmarks/label_efficiency.py --data DIR              the comparison
    python tests/benchmarks/label_efficiency.py --data DIR --quick      a small part of it, in minutes
    python tests/benchmarks/label_efficiency.py --policies ours,other=entropy:stratified:0.3,biqf

Without --data it uses the streams of River's wheel and River's generators. The file --out keeps the results,
and a run with a result does not run again. So the same command continues an interrupted comparison, and after
a change of the engine only our own policies run again.
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
    from tests.benchmarks.efficiency.command import main

    sys.exit(main(__doc__))
