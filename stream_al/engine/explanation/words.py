"""Words: what each word of a text does for the class that the model predicts.

A word is left out, at all places at which it stands, and the model is asked again (occlusion):

    effect(w, x) = p_c(x) - p_c(x without w)        c the class that the model predicts for x

Above 0 the word speaks for the prediction, below 0 against it. No label is needed, and any model will do.
Words that say the same may both have small effects, because one is still there when the other is left out.

    Zeiler, Fergus: Visualizing and understanding convolutional networks. ECCV 2014 (occlusion).
    Li, Monroe, Jurafsky: Understanding neural networks through representation erasure. arXiv 1612.08220.

The work is bounded: the first `MOST_WORDS` different words of a text, and a prediction for each.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

from stream_al.engine.model.importance import predict_in_steps
from stream_al.engine.samples.table import sample_of, with_shared_shapes

if TYPE_CHECKING:
    from stream_al.engine.model.model import Model

__all__ = ["texts", "word_effects", "words"]

MOST_WORDS = 100
MOST_TEXTS = 5
FEWEST = 3  # words that make a text of a value
MOST_CHARACTERS = 20_000  # of a text that is examined
DIGITS = 6
_WORD = re.compile(r"\w+")


def texts(features: Mapping[str, object]) -> list[str]:
    """The features that hold a text of several words, the first `MOST_TEXTS` of them.

    >>> texts({"country": "NL", "message": "call me now", "amount": 3})
    ['message']
    """
    found = (name for name, value in features.items() if type(value) is str and len(words(value)) >= FEWEST)
    return [name for name, _ in zip(found, range(MOST_TEXTS), strict=False)]


def words(text: str) -> list[str]:
    """The different words of a text, without regard to case, the first `MOST_WORDS` of them.

    >>> words("Call me. CALL now!")
    ['call', 'me', 'now']
    """
    found = dict.fromkeys(word.lower() for word in _WORD.findall(text[:MOST_CHARACTERS]))
    return list(found)[:MOST_WORDS]


def word_effects(
    model: Model, features: Mapping[str, object], name: str, chosen: Sequence[str]
) -> Generator[None, None, dict[str, float]]:
    """Return what some words of a text do for the class that the model predicts for the sample, in steps.

    Args:
        model: The model, which does not change.
        features: The sample.
        name: The feature that holds the text.
        chosen: The words, in lower case.

    Returns:
        From -1 to 1 for each word; nothing without a prediction.
    """
    text = features[name]
    before = yield from predict_in_steps(model, [sample_of("", features)])
    if not chosen or not model.ready or not before.known[0] or not isinstance(text, str):
        return {}
    best = int(before.probabilities[0].argmax())
    without = [sample_of("", {**features, name: _without(text, word)}) for word in chosen]
    after = yield from predict_in_steps(model, with_shared_shapes(without))
    gaps = before.probabilities[0, best] - after.probabilities[:, best]
    return {
        word: round(float(gap), DIGITS)
        for word, gap, known in zip(chosen, gaps, after.known, strict=True)
        if known
    }


def _without(text: str, word: str) -> str:
    return _WORD.sub(lambda found: "" if found[0].lower() == word else found[0], text)
