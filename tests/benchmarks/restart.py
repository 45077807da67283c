"""How fast is a start, from a snapshot and by replay of all examples, compared with learning by River alone?

python tests/benchmarks/restart.py              1,000,000 examples, 100,000 pending queries
python tests/benchmarks/restart.py --quick      a tenth of both
"""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.speed.command import main
    from tests.benchmarks.speed.restart import measure

    sys.exit(main(__doc__, measure))
