"""When the labels of a sample correct its first one.

Two rules meet here. `engine.trust.trust.proposal` says what the labels of several annotators, and the model,
make of the sample. `engine.labels.corrections.by_consensus` says whether a correction may still be written:
once for a sample, and never against a person's decision. Service and simulation both ask this module.

A proposal that the model alone tips is shown at `GET /v1/quality`, and a person may accept it. It is not
applied: the model overrules no person.
"""

from __future__ import annotations

from stream_al.engine.labels.corrections import by_consensus
from stream_al.engine.labels.ledger import Ledger
from stream_al.engine.trust.crowdlab import Weights
from stream_al.engine.trust.items import Item
from stream_al.engine.trust.trust import proposal
from stream_al.messages import Example

__all__ = ["correction_of"]


def correction_of(item: Item, weights: Weights, ledger: Ledger, *, accepted: bool = False) -> Example | None:
    """The record that corrects the label of a sample; None if its label stays.

    Args:
        item: The sample, with several labels.
        weights: The weights of CROWDLAB.
        ledger: What the log says of labels.
        accepted: Whether somebody accepts what the model tips.
    """
    found = proposal(item, weights)
    if found is None or not (found.outvoted or accepted):
        return None
    return by_consensus(ledger, found.id, found.offset, found.consensus)
