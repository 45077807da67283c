"""Many runs, in this process or in several.

Runs share nothing, so they give the same results in any number of processes (`workers`). Each process gets
the stream once. The number of samples done is in shared memory, for the progress bar. A process that dies,
usually because there is too little memory, is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from stream_al.errors import Misconfigured, StreamAlError, Unavailable, described
from stream_al.simulate.cases import Case, Result, Terms, simulate
from stream_al.simulate.stream import Stream
from stream_al.simulate.workers import workers

__all__ = ["results"]

REFRESH_SECONDS = 0.2

Progress = Callable[[int], None]


def results(
    chosen: Sequence[Case],
    stream: Stream,
    terms: Terms,
    jobs: int,
    progress: Progress = lambda done: None,
) -> Generator[Result, None, None]:
    """Make runs, and give their results in the order of the cases.

    Args:
        chosen: The runs to make.
        stream: The stream.
        terms: What all runs have in common.
        jobs: The number of processes.
        progress: Called with the number of samples done in all runs.

    Raises:
        Misconfigured: A run failed; which one, and why.
        Unavailable: A worker process died.
    """
    number = min(jobs, len(chosen))
    return (
        _together(chosen, stream, terms, number, progress)
        if number > 1
        else _alone(chosen, stream, terms, progress)
    )


def _alone(
    chosen: Sequence[Case], stream: Stream, terms: Terms, progress: Progress
) -> Generator[Result, None, None]:
    samples = len(stream.rows) - terms.warm_start
    for number, case in enumerate(chosen):
        yield _made(case, stream, terms, _after(number * samples, progress))


def _together(
    chosen: Sequence[Case], stream: Stream, terms: Terms, number: int, progress: Progress
) -> Generator[Result, None, None]:
    done = get_context("spawn").Value("Q", 0)
    with workers(number, _begin, stream, terms, done) as submit:
        waiting = [submit(_work, case) for case in chosen]
        for future in waiting:
            yield _awaited(future, lambda: progress(done.value))


def _after(before: int, progress: Progress) -> Progress:
    return lambda done: progress(before + done)


def _awaited(future: Future[Result], refresh: Callable[[], None]) -> Result:
    while not wait([future], REFRESH_SECONDS, FIRST_COMPLETED).done:
        refresh()
    refresh()
    try:
        return future.result()
    except BrokenProcessPool:
        raise Unavailable("--jobs: a process died, perhaps of too little memory; use fewer jobs") from None


def _made(case: Case, stream: Stream, terms: Terms, progress: Progress) -> Result:
    try:
        return simulate(case, stream, terms, progress)
    except StreamAlError:
        raise
    except Exception as error:
        reason = described(error)
        what = f"{case.strategy}, {case.manager}, {case.model}, budget {case.budget:g}, delay {case.delay}"
        raise Misconfigured(f"the run of {what} failed ({reason}); correct it or leave it out") from error


# --- in a worker process ---------------------------------------------------------------------------------

_shared: dict[str, Any] = {}


def _begin(stream: Stream, terms: Terms, done: Any) -> None:
    _shared.update(stream=stream, terms=terms, done=done)


def _work(case: Case) -> Result:
    before = 0

    def progress(now: int) -> None:
        nonlocal before
        with _shared["done"].get_lock():
            _shared["done"].value += now - before
        before = now

    return _made(case, _shared["stream"], _shared["terms"], progress)
