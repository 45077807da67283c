"""How a demo ends: what it has done if it is interrupted, what is wrong with the result, what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from stream_al.demo.session import Demo, Summary
from stream_al.invocation import program

__all__ = ["NEXT", "Interrupted", "interrupted", "next_steps", "notes", "problem_with"]

NEXT = """
What to do next, with a stream of yours:

  {program} demo --data FILE.csv                      this demo with your file; its last column is the label
  {program} simulate FILE.csv --budgets 0.01,0.05     what labels would cost, and what they would be worth
  {program} config check --config stream.yaml         on your Kafka: README.md has a stream.yaml to begin with
  {program} topics create --config stream.yaml
  {program} serve --config stream.yaml
"""


@dataclass(frozen=True)
class Interrupted:
    """What a demo has done that did not come to its end.

    Attributes:
        interrupted: Always true; it tells this from a summary.
        samples: The number of samples decided.
        of: The number of samples of the stream.
        queries: The number of labels bought.
        examples: The number of labels learned.
        accuracy: The accuracy over the samples decided, as predicted when they came.
        estimated: The same as the service estimates it, with the ends of the interval; None without a label.
        seconds: The time from the first sample to the interruption.
    """

    interrupted: bool
    samples: int
    of: int
    queries: int
    examples: int
    accuracy: float
    estimated: dict[str, float] | None
    seconds: float


def interrupted(demo: Demo) -> Interrupted:
    """What a demo has done so far."""
    scoreboard, learner = demo.scoreboard, demo.app.local_model.learner
    estimate = learner.evaluation.current.overall.estimate()
    return Interrupted(
        interrupted=True,
        samples=scoreboard.decided,
        of=len(demo.plan.samples),
        queries=scoreboard.queries,
        examples=learner.model.examples,
        accuracy=scoreboard.accuracy,
        estimated=asdict(estimate) if estimate else None,
        seconds=round(demo.seconds, 3),
    )


def problem_with(summary: Summary) -> str | None:
    """What is wrong with the result as a whole; None if the demo has shown what it is for."""
    if not summary.queries:
        return f"no label was bought in {summary.samples:,} samples"
    if not summary.examples:
        return f"nothing was learned: {summary.queries:,} labels were bought, and the model took none of them"
    if not summary.accuracy:
        return f"no prediction was right in {summary.samples:,} samples, after {summary.examples:,} labels"
    return None


def notes(demo: Demo) -> Iterator[str]:
    """What has cost a label or a sample, as the service says it: one sentence for each kind and reason."""
    for problem in demo.app.problems.describe():
        example = f" (for example {problem['sample']})" if problem["sample"] else ""
        kind = problem["kind"].replace("_", " ")
        yield f"{kind}, {problem['reason']}, {problem['count']:,} times: {problem['message']}{example}"
    if demo.failed:
        yield f"the model failed on {demo.failed:,} samples, which count as predicted wrongly"


def next_steps() -> str:
    """The commands to go on with, as this one was called."""
    return NEXT.format(program=program()).rstrip()
