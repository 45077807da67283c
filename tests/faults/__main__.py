"""`python -m tests.faults`: every fault of the table, in full length, against a real Apache Kafka.

Standard output has one line per fault. With `--json` the line is an object: fault, seed, passed, seconds,
figures. Progress and errors go to standard error. The exit code is 1 if any promise does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.broker.kafka import IS_INSTALLED, WANTING
from tests.faults.jobs import run_all, say
from tests.faults.table import FAULTS


def main() -> int:
    """Run the faults; the exit code."""
    arguments = _parser().parse_args()
    chosen = [fault for fault in FAULTS if arguments.only in (None, fault.name)]
    if not chosen:
        say(f"no fault is named {arguments.only!r}; there are: {', '.join(fault.name for fault in FAULTS)}")
        return 2
    if not IS_INSTALLED:
        say(WANTING)
        return 2
    failed = 0
    with tempfile.TemporaryDirectory(prefix="stream_al-faults-") as scratch:
        for line, trace in run_all(
            chosen, Path(scratch), jobs=arguments.jobs, seed=arguments.seed, quick=arguments.quick
        ):
            _report(line, as_json=arguments.json)
            if trace:
                failed += 1
                say(trace)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object per fault")
    parser.add_argument("--quick", action="store_true", help="in the short form: under 10 minutes in all")
    parser.add_argument("--only", metavar="FAULT", help="run only this fault")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="faults that run at the same time, each job with a broker of its own (default: 1)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all random draws (default: 0)")
    return parser


def _report(line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        text = json.dumps(line)
    else:
        figures = ", ".join(f"{name} {value}" for name, value in line["figures"].items())
        verdict = "holds " if line["passed"] else "BROKEN"
        text = f"{verdict} {line['fault']} ({line['seconds']} s, seed {line['seed']}): {figures}"
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
