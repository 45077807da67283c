"""How many wrong labels do second labels find, and what does that give the model?

    python tests/benchmarks/second_labels.py --data DIR [--stream electricity] [--samples 20000] [--seeds 5]
    python tests/benchmarks/second_labels.py --quick         a generated stream, one model, in a minute
    python tests/benchmarks/second_labels.py --json          one object a run, as soon as it is over

Two annotators give a tenth of their labels wrong. A tenth of the labels of the stream is bought, first and
second ones together. Somebody accepts every proposal at once, those that the model tips too. Each run plays
the simulation of `stream-al simulate`, with the engine's own rules.
*Points* is the accuracy over all samples, minus that of the same seed without second labels. Beside it stand
Cleanlab's scores: how many wrong labels a list by them holds that is as long as that of the second labels, or
as that of the samples whose two labels contradict each other. They judge the same labels by the same
probabilities, those before the model learned the label.
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
    from tests.benchmarks.trust.command import main

    sys.exit(main(__doc__))
