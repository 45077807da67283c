"""How many labels until a model is as good as before an abrupt change?

    python tests/benchmarks/recovery.py [--seeds 3] [--models auto,arf]

A model learns 500 examples of one concept and then examples of another one. Every 20 examples it is tested on
300 other samples of the concept of now. It has recovered when three tests in a row, on average, are within 2
points of the accuracy before the change (the mean of the last five tests).

- sine: the classes change places.
- led: seven of the attributes that tell the digit are exchanged with attributes that tell nothing.
- agrawal: another function of other columns gives the class.
"""

import os
import sys
from pathlib import Path

# One thread: the arrays are small.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.efficiency.recovery import main

    sys.exit(main(__doc__))
