"""What a sample costs: CPU time of the whole service, compared with a bare loop, on a real Apache Kafka.

    python tests/benchmarks/throughput.py                  the table, in about 15 minutes
    python tests/benchmarks/throughput.py --quick          a small part of it, in two minutes
    python tests/benchmarks/throughput.py --cases logistic,bayes --strategies margin

Every run is a `stream-al serve` of its own, which does all that it does for a user: metrics, propensities,
commits with state, and acknowledged queries. An annotator labels every query at once.
"""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.speed.throughput import main

    sys.exit(main(__doc__))
