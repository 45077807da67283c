"""Budget managers: turn utilities into yes or no without ever spending more than agreed.

A manager is pure. `decide` takes a frozen state and a batch of arrivals and returns one `Verdict`
an arrival together with the state after them; the caller makes the verdicts durable first and only
then keeps the state. Deciding a batch at once or arrival by arrival gives the same verdicts.

**The budget law**, for every manager that claims it: over the stream the share bought is within 1%
(relative) of the share asked, and no window of `window` arrivals holds more than
`share x window + 1` purchases: whatever the utilities are, from a cold start and across restarts.

`stratified` and `periodic` keep it. The others are the rules that the literature compares with; each
spends about what is asked on the streams it was made for, and says where it does not.

A new manager is one file and one line in `MANAGERS`.
"""

from __future__ import annotations

from stream_al.engine.budgets.base import BudgetManager, Context, Reason, Verdict
from stream_al.engine.budgets.fixed import Fixed
from stream_al.engine.budgets.periodic import Periodic
from stream_al.engine.budgets.quantile import Quantile
from stream_al.engine.budgets.split import Split
from stream_al.engine.budgets.stratified import Stratified
from stream_al.engine.budgets.variable import Variable
from stream_al.engine.budgets.variable_random import VariableRandom

__all__ = ["MANAGERS", "BudgetManager", "Context", "Reason", "Verdict"]

MANAGERS: dict[str, type[BudgetManager]] = {
    "stratified": Stratified,
    "fixed": Fixed,
    "variable": Variable,
    "variable_random": VariableRandom,
    "split": Split,
    "periodic": Periodic,
    "quantile": Quantile,
}
