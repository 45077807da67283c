"""How long does it take from the acknowledgement of a sample to its query, compared with a bare relay?

python tests/benchmarks/latency.py              1,000 and 10,000 samples a second
python tests/benchmarks/latency.py --quick      the same, shorter
"""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.speed.command import main
    from tests.benchmarks.speed.latency import measure

    sys.exit(main(__doc__, measure))
