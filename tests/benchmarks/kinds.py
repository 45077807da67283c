"""What does `auto` make of streams of every kind, with no settings?

    python tests/benchmarks/kinds.py [--data DIR] [--samples 6000] [--streams payments,vectors] [--seeds 1]

River pipelines that are written for each stream stand beside it. Labels come at once. 5% of them are bought
at random. On streams with a rare class 10% are bought, and `auto` also learns from labels that it selects
itself (`ours`), with the objective `balanced` besides. *AP* is the average precision of the rarest class over
the whole stream, each sample ranked by its probability before its label was known. *At .5* is the recall
where the precision is one half, *20th* the number of labels to the 20th example of the rarest class.
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
    from tests.benchmarks.efficiency.kinds import main

    sys.exit(main(__doc__))
