"""`python -m tests.faults`: every fault of the table, in full length, against a real Apache Kafka.

Standard output has one line per fault. With `--json` the line is an object: fault, seed, passed, seconds,
figures. Progress and errors go to standard error. The exit code is 1 if any promise does not hold.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import structlog

from tests.broker.kafka import IS_INSTALLED, WANTING, KafkaBroker
from tests.faults.runner import run_and_report
from tests.faults.table import FAULTS


def main() -> int:
    """Run the faults; the exit code."""
    arguments = _parser().parse_args()
    chosen = [fault for fault in FAULTS if arguments.only in (None, fault.name)]
    if not chosen:
        _say(f"no fault is named {arguments.only!r}; there are: {', '.join(fault.name for fault in FAULTS)}")
        return 2
    if not IS_INSTALLED:
        _say(WANTING)
        return 2
    _quiet()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="stream_al-faults-") as scratch:
        broker = KafkaBroker.start(Path(scratch) / "broker")
        try:
            for number, fault in enumerate(chosen, 1):
                _say(f"[{number}/{len(chosen)}] {fault.name}: {fault.fault}")
                line, error = run_and_report(
                    fault, Path(scratch), broker, seed=arguments.seed, quick=arguments.quick
                )
                _report(line, as_json=arguments.json)
                if error is not None:
                    failed += 1
                    traceback.print_exception(error, file=sys.stderr)
        finally:
            broker.stop()
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object per fault")
    parser.add_argument("--quick", action="store_true", help="in the short form: under 10 minutes in all")
    parser.add_argument("--only", metavar="FAULT", help="run only this fault")
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


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _quiet() -> None:
    """Keep out of the report what our own clients log about broken connections."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
