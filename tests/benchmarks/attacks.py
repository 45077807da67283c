"""What do attacks cost the service: how much memory, and how long a stall of the event loop?

    python tests/benchmarks/attacks.py                 every attack, in about 20 minutes
    python tests/benchmarks/attacks.py --quick         a tenth of each
    python tests/benchmarks/attacks.py --only words    those with this in their name; several between commas

Every attack gets a `stream-al serve` of its own, on a real Apache Kafka, with the default settings. Memory is
what the kernel counts. The stall is measured by a timer in the process (`hostile/probed.py`).
"""

import sys
from functools import partial
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.hostile.measure import measure
    from tests.benchmarks.speed.command import main

    only, arguments = "", sys.argv[1:]
    if "--only" in arguments:
        place = arguments.index("--only")
        only = arguments[place + 1]
        del arguments[place : place + 2]
    sys.exit(main(__doc__, partial(measure, only=only), arguments))
