"""The command: `python -m tests.simulation --seed 7 --verbose`, or `--seeds 5000 --jobs 2 --json`.

Exit code 1 if any seed failed. With `--json`, one object: how many seeds, which failed and how.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict

from tests.simulation.simulation import Result, simulate

__all__ = ["main"]

EVERY_SECONDS = 5.0


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one alone")
    parser.add_argument("--seeds", type=int, default=1000, help="run so many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--verbose", action="store_true", help="print the trace to standard error")
    parser.add_argument("--stop", action="store_true", help="end at the first failure")
    parser.add_argument("--json", action="store_true", help="print one object")
    given = parser.parse_args()
    if given.seed is not None:
        seeds = range(given.seed, given.seed + 1)
    else:
        seeds = range(given.first, given.first + given.seeds)
    began = time.monotonic()
    done, failed, sums = 0, list[Result](), Counter[str]()
    reported = began
    for result in _results(seeds, given.jobs, verbose=given.verbose):
        done += 1
        sums.update(result.figures)
        if result.failure:
            failed.append(result)
            sys.stderr.write(f"seed {result.seed}: {result.failure[:600]}\n")
            if given.stop:
                break
        if time.monotonic() - reported > EVERY_SECONDS:
            reported = time.monotonic()
            sys.stderr.write(
                f"{done} of {len(seeds)} seeds, {len(failed)} failed, {done / (reported - began):.1f}/s\n"
            )
    seconds = round(time.monotonic() - began, 1)
    if given.json:
        failures = [{**asdict(result), "figures": None} for result in failed]
        report = {
            "seeds": done,
            "failed": len(failed),
            "seconds": seconds,
            "figures": sums,
            "failures": failures,
        }
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        sys.stdout.write(f"{done} seeds in {seconds} s, {len(failed)} failed; {dict(sums)}\n")
        for result in failed:
            sys.stdout.write(f"replay: python -m tests.simulation --seed {result.seed} --verbose\n")
        if given.seed is not None:
            sys.stdout.write(f"trace {result.trace}\n")
    return 1 if failed else 0


def _results(seeds: Iterable[int], jobs: int, *, verbose: bool) -> Iterable[Result]:
    if jobs == 1:
        yield from (simulate(seed, verbose=verbose) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(simulate, seeds, chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    raise SystemExit(main())
