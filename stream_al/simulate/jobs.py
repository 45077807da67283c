"""Many runs, in this process or in several.

Runs share nothing, so they give the same in any number of processes. Workers are spawned, not forked: a copy
of a process with threads is unsafe, and some systems have nothing else. Each is sent the stream once; the
samples done are counted in shared memory, which is all that a progress bar needs.

Whoever interrupts is obeyed at once: workers die of the signal without a word, and where it reached this
process alone, they are ended by it. A worker that vanishes, for want of memory as a rule, is told as such.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from stream_al.errors import Misconfigured, StreamAlError, Unavailable
from stream_al.simulate.cases import Case, Result, Terms, simulate
from stream_al.simulate.stream import Stream

__all__ = ["results"]

LOOK_SECONDS = 0.2
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)

Progress = Callable[[int], None]


def results(
    chosen: Sequence[Case],
    stream: Stream,
    terms: Terms,
    jobs: int,
    progress: Progress = lambda done: None,
) -> Generator[Result, None, None]:
    """Make runs; give what they gave, in the order of the cases.

    Args:
        chosen: Which runs.
        stream: The stream.
        terms: What they have in common.
        jobs: The number of processes.
        progress: Called with the samples done, of all runs.

    Raises:
        Misconfigured: A run failed; which, and why.
        Unavailable: A worker died.
    """
    workers = min(jobs, len(chosen))
    return (
        _together(chosen, stream, terms, workers, progress)
        if workers > 1
        else _alone(chosen, stream, terms, progress)
    )


def _alone(
    chosen: Sequence[Case], stream: Stream, terms: Terms, progress: Progress
) -> Generator[Result, None, None]:
    samples = len(stream.rows) - terms.warm_start
    for number, case in enumerate(chosen):
        yield _made(case, stream, terms, _after(number * samples, progress))


def _together(
    chosen: Sequence[Case], stream: Stream, terms: Terms, workers: int, progress: Progress
) -> Generator[Result, None, None]:
    context = multiprocessing.get_context("spawn")
    done = context.Value("Q", 0)
    strangers = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _begin, (stream, terms, done))
    try:
        with _undisturbed():  # a worker that is cut off while it starts would print a traceback
            waiting = [pool.submit(_work, case) for case in chosen]
        for future in waiting:
            yield _awaited(future, lambda: progress(done.value))
    finally:
        for child in set(multiprocessing.active_children()) - strangers:
            child.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _after(before: int, progress: Progress) -> Progress:
    return lambda done: progress(before + done)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let whoever interrupts wait; what is started in here begins deaf to Ctrl-C."""
    came: list[int] = []
    before = {n: signal.signal(n, lambda number, _: came.append(number)) for n in INTERRUPTS}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for first in came[:1]:
            signal.raise_signal(first)


def _awaited(future: Future[Result], look: Callable[[], None]) -> Result:
    while not wait([future], LOOK_SECONDS, FIRST_COMPLETED).done:
        look()
    look()
    try:
        return future.result()
    except BrokenProcessPool:
        raise Unavailable("--jobs: a worker died, perhaps for want of memory; run it with fewer") from None


def _made(case: Case, stream: Stream, terms: Terms, progress: Progress) -> Result:
    try:
        return simulate(case, stream, terms, progress)
    except StreamAlError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        what = f"{case.strategy}, {case.manager}, {case.model}, budget {case.budget:g}, delay {case.delay}"
        raise Misconfigured(f"the run of {what} failed ({reason}); leave it out, or mend it") from error


# --- in a worker -----------------------------------------------------------------------------------------

_shared: dict[str, Any] = {}


def _begin(stream: Stream, terms: Terms, done: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a worker dies without a traceback
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _shared.update(stream=stream, terms=terms, done=done)


def _work(case: Case) -> Result:
    before = 0

    def progress(now: int) -> None:
        nonlocal before
        with _shared["done"].get_lock():
            _shared["done"].value += now - before
        before = now

    return _made(case, _shared["stream"], _shared["terms"], progress)
