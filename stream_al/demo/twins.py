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

from collections import deque
from collections.abc import Callable, Collection, Sequence

from stream_al.engine.model import Model, prediction, same_label
from stream_al.engine.randomness import uniform
from stream_al.errors import BadMessage
from stream_al.simulate.recorded import Row

__all__ = ["prequential", "random_positions"]


def random_positions(number: int, samples: int, seed: int) -> set[int]:
    """Uniformly random positions, the same for the same seed.

    >>> len(random_positions(3, 10, seed=1)), random_positions(2, 2, seed=1) == {0, 1}
    (3, True)
    """
    return set(sorted(range(samples), key=lambda k: uniform(seed, "random twin", str(k + 1)))[:number])


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
    waiting: deque[int] = deque()
    correct = 0
    for position, sample in enumerate(samples):
        while waiting and waiting[0] + delay <= position:
            _learn(model, samples[waiting.popleft()])
        correct += _right(model, sample)
        if position in bought:
            waiting.append(position)
        if position % 100 == 0:
            progress(position)
    return correct / len(samples)


def _right(model: Model, sample: Row) -> bool:
    try:
        said = prediction(model.probabilities(sample.features))
    except BadMessage:
        return False
    return said is not None and same_label(said, sample.label)


def _learn(model: Model, sample: Row) -> None:
    try:
        model.learn(sample.features, sample.label)
    except BadMessage:
        return  # what the model refuses, it refuses in the service too
