"""Examples whose prediction a learner has made itself."""

from __future__ import annotations

import msgspec

from stream_al.engine.labels.learner import Learner
from stream_al.messages import Example, ModelStamp

__all__ = ["stamped"]


def stamped(example: Example, learner: Learner) -> Example:
    """The example as it is if this learner made the prediction of its query."""
    return msgspec.structs.replace(example, model=ModelStamp("model", learner.version, 0))
