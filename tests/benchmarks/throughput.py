"""What a sample costs: CPU time of the whole service beside a bare loop, on a real Apache Kafka.

    python tests/benchmarks/throughput.py                  the table: some 15 minutes
    python tests/benchmarks/throughput.py --quick          a sketch of it, in two
    python tests/benchmarks/throughput.py --cases logistic,bayes --strategies margin

Every run is a `stream-al serve` of its own, with all that it does in earnest: metrics, propensities, commits
with state, queries published with acknowledgements, and an annotator that answers every query at once.
"""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.speed.throughput import main

    sys.exit(main(__doc__))
