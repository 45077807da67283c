"""Jobs: which runs there are, and which results are known already.

A job is one run. Its key is a hash of everything that its result depends on: stream, learner, budget, delay,
seed, policy, share of wrong labels, and the source code and packages behind them. Results are appended to a
file of JSON lines when they come. A job whose key is in the file does not run again, so an interrupted
comparison continues where it was. After a change of the engine only our own policies run again, unless the
change is in the learner, which all policies use. After a change of a module of baselines only the baselines
of this module run again. Lines in the file that belong to no job are kept and ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from inspect import getsourcefile
from itertools import islice
from pathlib import Path
from typing import Any

import stream_al
from stream_al.simulate.workers import interruptible, workers
from tests.benchmarks.efficiency.policies import Policy, policy
from tests.benchmarks.efficiency.prequential import Terms, evaluate
from tests.benchmarks.efficiency.streams import GENERATED, fingerprint, load

__all__ = ["Job", "Known", "code", "run", "run_all", "sources"]

HERE = Path(__file__).parent
PACKAGE = Path(stream_al.__file__).parent
ENGINE = PACKAGE / "engine"
LEARNING = ("model/**/*.py", "learners/**/*.py", "samples/table.py")  # of the engine: what every policy uses
SIMULATION = (
    "datasets/rows.py",
    *(f"simulate/{name}.py" for name in ("people/annotator", "buyers", "delay", "run", "stream")),
)
EVALUATION = ("prequential.py", "scores.py", "learners.py", "streams.py", "policies/__init__.py")


@dataclass(frozen=True, slots=True)
class Job:
    """One run, as values that JSON keeps unchanged."""

    stream: str
    learner: str
    budget: float
    delay: int | str
    seed: int
    policy: str
    error: float = 0.0
    samples: int = 10_000
    data: str | None = None

    @property
    def name(self) -> str:
        """The name of the policy, without its definition."""
        return self.policy.partition("=")[0]

    def drawn(self) -> Job:
        """The job whose result holds for this one too: that of seed 0, if nothing is drawn at random."""
        fixed = self.stream not in GENERATED and not self.error and not policy(self.policy)[1].random
        return replace(self, seed=0) if fixed else self

    def key(self) -> str:
        """The hash of everything that the result depends on, except where the data lie."""
        name, chosen = policy(self.policy)
        data = fingerprint(self.stream, Path(self.data) if self.data else None)
        values = {**asdict(self), "data": data, "policy": name, "definition": chosen.definition}
        return _hash(json.dumps(values, sort_keys=True) + code(chosen) + _version(chosen.package))


def run(job: Job) -> dict[str, Any]:
    """Run a job; its line in the file."""
    stream = load(job.stream, Path(job.data) if job.data else None, job.samples, job.seed)
    name, chosen = policy(job.policy)
    terms = Terms(job.budget, len(stream.classes), job.seed)
    result = evaluate(stream, job.learner, chosen.make, terms, delay=job.delay, error=job.error)
    values = {key: value for key, value in asdict(job).items() if key != "data"}
    return {"key": job.key(), **values, "policy": name, "definition": chosen.definition, **result.scores}


class Known:
    """The results so far, in memory and in a file of JSON lines if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lines: dict[str, dict[str, Any]] = {}
        self.torn = False
        if path is not None and path.exists():
            whole = path.read_text(encoding="utf-8")
            self.torn = bool(whole) and not whole.endswith("\n")
            for text in whole.splitlines():
                try:
                    line = json.loads(text)
                except ValueError:
                    continue  # cut off by an interruption
                self.lines[line["key"]] = line

    def add(self, line: dict[str, Any]) -> None:
        """Remember a result."""
        self.lines[line["key"]] = line
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" * self.torn + json.dumps(line) + "\n")
            self.torn = False


def run_all(
    jobs: Iterable[Job], known: Known, processes: int, progress: Callable[[Job | None, int], None]
) -> list[dict[str, Any]]:
    """Run the jobs without a known result; the results of all jobs, in their order.

    Args:
        jobs: Jobs of one stream follow each other, so that each process reads it once.
        known: The results so far; the new ones are added.
        processes: How many processes run at once.
        progress: Called at the start with None, and with each job that is done; and with how many jobs run.
    """
    wanted = [(job, job.drawn(), job.drawn().key()) for job in jobs]
    missing = {key: drawn for _, drawn, key in wanted if key not in known.lines}
    progress(None, len(missing))
    with interruptible(), closing(_results(missing.values(), processes)) as results:
        for job, line in results:
            known.add(line)
            progress(job, len(missing))
    return [{**known.lines[key], "seed": job.seed} for job, _, key in wanted]


def _results(jobs: Iterable[Job], processes: int) -> Generator[tuple[Job, dict[str, Any]]]:
    if processes == 1:
        yield from ((job, run(job)) for job in jobs)
        return
    left = iter(jobs)
    running: dict[Future[dict[str, Any]], Job] = {}
    with workers(processes) as submit:
        while True:
            for job in islice(left, 2 * processes - len(running)):
                running[submit(run, job)] = job
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()


@cache
def code(chosen: Policy) -> str:
    """The hash of all source code behind a policy, and River's version."""
    texts = [file.read_text(encoding="utf-8") for file in sources(chosen)]
    return _hash("".join(texts)) + _version("river")


def sources(chosen: Policy) -> list[Path]:
    """The files that a policy depends on: the evaluation, its own module, and what it uses of the engine."""
    files = [HERE / name for name in EVALUATION] + [PACKAGE / name for name in SIMULATION]
    files.append(Path(str(getsourcefile(chosen.make))))
    patterns = ("**/*.py",) if chosen.definition else LEARNING
    return files + sorted(file for pattern in patterns for file in ENGINE.glob(pattern))


@cache
def _version(package: str | None) -> str:
    if package is None:
        return ""
    try:
        return version({"skactiveml": "scikit-activeml"}.get(package, package))
    except PackageNotFoundError:
        return "none"


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()
