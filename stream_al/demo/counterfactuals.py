"""Counterfactuals: the same model on the same stream, with labels bought in other ways.

counterfactual | buys                                               | learns a label
---------------|----------------------------------------------------|-------------------------------------
random         | as many labels as the service bought, at uniformly | as late as the service its label of the
               | random positions of the stream                     | same number, counted in samples
all labels     | every label                                        | before the next sample

Random positions are drawn `RANDOM_RUNS` times, and the mean is shown. One draw may be lucky: on the stream of
the demo, draws differ by some tenths of a point of accuracy, which is as much as the choice of samples gains.

All have the model definition and the seed of the service and see the samples in the same order. They are
measured like the service: each sample is predicted first and learned from afterwards (prequential), and a
prediction of a model that knows no class is wrong.

The first shows what the choice of samples is worth. The second shows what all labels would have been worth.
A delay counts from a sample to the first sample whose prediction knew its label. The k-th label of the
random counterfactual is as late as the k-th label of the service, so neither has an advantage by learning
sooner. The mean delay would not do: the service starts with long delays, and while the model knows little
they cost most.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain, repeat

from stream_al.datasets.rows import Row
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import Rule
from stream_al.simulate.buyers import FixedBuyer
from stream_al.simulate.delay import Arrivals
from stream_al.simulate.measure import Confusion
from stream_al.simulate.run import run

__all__ = ["RANDOM_RUNS", "prequential"]

RANDOM_RUNS = 5


def prequential(
    samples: Sequence[Row],
    model: Model,
    bought: Collection[int],
    delays: Sequence[int],
    progress: Callable[[int], None] = lambda done: None,
    rule: Rule | None = None,
) -> Confusion:
    """The predictions of a model for all samples, given which labels it gets.

    Args:
        samples: The stream.
        model: A model without examples. It learns in place.
        bought: The positions of the samples whose label the model gets.
        delays: Of the bought labels in the order of their samples: the first sample that knows the
            label comes so many positions later. Labels beyond the last delay are as late as the last one.
        progress: Called with the number of samples done.
        rule: Says which label to predict; the most probable one if it is not given. It learns in place.
    """
    first = list(range(1, len(samples) + 1))
    for position, delay in zip(sorted(bought), chain(delays, repeat(delays[-1])), strict=False):
        first[position] = position + delay
    arrivals = Arrivals(first, range(len(samples)))
    done = run(samples, model, FixedBuyer(bought), arrivals, rule=rule, progress=progress)
    confusion = Confusion()
    for sample, predicted in zip(samples, done.predicted, strict=True):
        confusion.add(sample.label, predicted)
    return confusion
