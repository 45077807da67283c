"""What does an open desk cost the service while 5,000 samples a second flow?

    python tests/benchmarks/desk.py            every page, against no page, in about 15 minutes
    python tests/benchmarks/desk.py --quick    shorter, and one round

The service is a `stream-al serve` on a real Apache Kafka, the desk a page in a headless Chromium. Every label
that is asked for comes back. `STREAM_AL_CHROMIUM` names the browser, if it is not `chromium`.
"""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # as `python -m` would have it

if __name__ == "__main__":
    from tests.benchmarks.speed.command import main
    from tests.benchmarks.speed.desk import measure

    sys.exit(main(__doc__, measure))
