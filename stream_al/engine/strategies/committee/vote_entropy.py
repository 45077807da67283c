"""Vote entropy: how divided are the members' votes?

    utility = -sum_y v(y) log v(y) / log min(M, k)

v(y) is the share of the M members whose likeliest class of the k classes is y. Engelson, Dagan: Minimizing
Manual Annotation Cost in Supervised Training from Corpora (ACL 1996). It is divided by its largest value,
since M votes on k classes name at most min(M, k) of them.
"""

from __future__ import annotations

from math import log

import numpy as np

from stream_al.engine.strategies.committee.members import MemberProbabilities
from stream_al.engine.strategies.entropy import uncertainty


def votes(members: MemberProbabilities) -> float:
    """The entropy of the votes as a share of the highest possible.

    >>> import numpy as np
    >>> votes(np.array([[0.9, 0.1], [0.6, 0.4]])), votes(np.array([[0.9, 0.1], [0.4, 0.6]]))
    (0.0, 1.0)
    """
    number, classes = members.shape
    shares = np.bincount(members.argmax(axis=1), minlength=classes) / number
    return uncertainty(shares.tolist()) * log(classes) / log(min(number, classes))
