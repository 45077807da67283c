"""Manual queries: labels that a person asks for, within the budget.

A person points at samples that were decided about already, and wants their labels. They cost what any other
label costs, so they are bought from the same budget, by one rule: *the next purchases of the budget manager
are theirs.* They wait until the manager selects a sample. Then the oldest of them is queried in the place
of that sample, which is not queried (`displaced`).

So exactly as many labels are bought as without them, at the same moments, in every partition and every
window: the budget law and all caps hold to the letter, and no account has to know of manual queries. Where
a cap forbids purchases, they wait for it too.

*Propensity.* The label of a manual query was no random draw, so it has none, and says nothing about the
stream as a whole. While manual queries wait, every purchase is theirs. So no sample can be selected, and the
propensity of all is 0, as it is under a cap (`base.under_cap`). That does not depend on the samples that
come, so the estimates from the others remain unbiased.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from stream_al.engine.budgets.base import Decision, Reason

__all__ = ["displace"]


def displace(decisions: Sequence[Decision], waiting: int) -> tuple[list[Decision], list[int]]:
    """The decisions where the first purchases go to manual queries.

    Args:
        decisions: As the selector made them.
        waiting: How many manual queries wait.

    Returns:
        The decisions, and the places of those that were displaced, at most `waiting`.

    >>> decisions = [Decision(i, i in "bd", 0.5, 0.5, 0.9, Reason.UNCERTAIN) for i in "abcd"]
    >>> after, displaced = displace(decisions, waiting=1)
    >>> [(one.id, one.selected, one.reason.value) for one in after if one.reason is not Reason.UNCERTAIN]
    [('b', False, 'displaced')]
    >>> displaced, [one.propensity for one in after]
    ([1], [0.0, 0.0, 0.9, 0.9])
    """
    after, places = list(decisions), list[int]()
    for place, decision in enumerate(decisions):
        if len(places) >= waiting:
            break
        reason = decision.reason
        if decision.selected:
            places.append(place)
            reason = Reason.DISPLACED
        after[place] = replace(decision, selected=False, propensity=0.0, reason=reason)
    return after, places
