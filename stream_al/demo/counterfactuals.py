"""The twins: the same model on the same stream, with labels bought in other ways.

Twin       | buys                                              | learns a label
-----------|---------------------------------------------------|-------------------------------------
random     | as many labels as the service bought, at uniformly | as late as the service did on average,
           | random positions of the stream                    | counted in samples
all labels | every label                                       | before the next sample

Both have the model definition and the seed of the service, see the samples in the same order, and are
judged like it: each sample is predicted first and learned from afterwards (prequential), and a
prediction of a model that knows fewer than two classes is wrong.

The random twin answers whether the choice of samples was worth anything; the other one, what the
labels that were saved would have been worth. Its delay is the mean of the service's own (from a sample
to the first one whose prediction knew its label): neither has an advantage by learning sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from stream_al.datasets.rows import Row
from stream_al.engine.model.model import Model
from stream_al.simulate.baselines import random_positions
from stream_al.simulate.delay import later
from stream_al.simulate.measure import Confusion
from stream_al.simulate.run import Chosen, play

__all__ = ["prequential", "random_positions"]


def prequential(
    samples: Sequence[Row],
    model: Model,
    bought: Collection[int],
    delay: int,
    progress: Callable[[int], None] = lambda done: None,
) -> float:
    """The accuracy of a model over all samples, given which labels it gets.

    Args:
        samples: The stream.
        model: Before its first example; it learns in place.
        bought: The positions whose label it gets.
        delay: The sample `delay` positions later is the first that knows the label.
        progress: Called with the samples done, now and then.
    """
    played = play(samples, model, Chosen(bought), later(len(samples), delay), progress=progress)
    confusion = Confusion()
    for sample, said in zip(samples, played.predicted, strict=True):
        confusion.add(sample.label, said)
    return confusion.accuracy
