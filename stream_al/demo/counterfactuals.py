"""Counterfactuals: the same model on the same stream, with labels bought in other ways.

counterfactual | buys                                               | learns a label
---------------|----------------------------------------------------|-------------------------------------
random         | as many labels as the service bought, at uniformly | as late as the service did on average,
               | random positions of the stream                     | counted in samples
all labels     | every label                                        | before the next sample

Both have the model definition and the seed of the service and see the samples in the same order. They are
measured like the service: each sample is predicted first and learned from afterwards (prequential), and a
prediction of a model that knows no class is wrong.

The first shows what the choice of samples is worth. The second shows what all labels would have been worth.
The delay of the first is the mean delay of the service, from a sample to the first sample whose prediction
knew its label, so neither has an advantage by learning sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from stream_al.datasets.rows import Row
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import Rule
from stream_al.simulate.buyers import FixedBuyer
from stream_al.simulate.delay import later
from stream_al.simulate.measure import Confusion
from stream_al.simulate.run import run

__all__ = ["prequential"]


def prequential(
    samples: Sequence[Row],
    model: Model,
    bought: Collection[int],
    delay: int,
    progress: Callable[[int], None] = lambda done: None,
    rule: Rule | None = None,
) -> Confusion:
    """The predictions of a model for all samples, given which labels it gets.

    Args:
        samples: The stream.
        model: A model without examples. It learns in place.
        bought: The positions of the samples whose label the model gets.
        delay: The sample `delay` positions later is the first that knows the label.
        progress: Called with the number of samples done.
        rule: Says which label to predict; the most probable one if it is not given. It learns in place.
    """
    done = run(samples, model, FixedBuyer(bought), later(len(samples), delay), rule=rule, progress=progress)
    confusion = Confusion()
    for sample, predicted in zip(samples, done.predicted, strict=True):
        confusion.add(sample.label, predicted)
    return confusion
