"""Does a sample cost the same with more replicas, more partitions and more pending queries?

python tests/benchmarks/scale.py              up to 4 replicas, 8 partitions and 1,000,000 pending queries
python tests/benchmarks/scale.py --quick      fewer samples, up to 100,000 pending queries
"""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.speed.command import main
    from tests.benchmarks.speed.scale import measure

    sys.exit(main(__doc__, measure))
