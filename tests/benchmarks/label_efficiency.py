"""Is the selection worth its labels? Ours against every other known rule.

    python tests/benchmarks/label_efficiency.py --data DIR              the comparison
    python tests/benchmarks/label_efficiency.py --data DIR --quick      a sketch of it, in minutes
    python tests/benchmarks/label_efficiency.py --policies ours,other=entropy:stratified:0.3,biqf

Without --data it takes the streams of River's wheel and generators. Results are kept in the file --out;
what stands there is not run again: the same command resumes an interrupted comparison, and after a change
of the engine it runs ours again and nobody else.
"""

import os
import sys
from pathlib import Path

# One thread a process: the arrays are small, and the processes are as many as there are cores.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.command import main

    sys.exit(main(__doc__))
