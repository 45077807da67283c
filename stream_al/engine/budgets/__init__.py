"""Budget managers: which samples are worth a label, without ever spending more than agreed.

A manager is pure. `decide` takes a frozen state and a batch of samples, and returns one `Decision` a sample
and the state after them. The caller first makes the decisions durable and only then keeps the state. Deciding
about a batch at once or about one sample after another gives the same decisions.

**The budget law**, for every manager that claims it: over the stream the share bought is within 1%
(relative) of the share asked, and no window of `window` samples holds more than `share x window + 1`
purchases: whatever the utilities are, from a cold start and across restarts.

`stratified` and `periodic` keep it. The others are published rules to compare with. Each spends about what is
asked on the streams it was made for, and its module says where it does not.

A new manager is one file and one line in `MANAGERS`.
"""

from __future__ import annotations

from stream_al.engine.budgets.base import BudgetManager, Context, Decision, Reason
from stream_al.engine.budgets.fixed import Fixed
from stream_al.engine.budgets.periodic import Periodic
from stream_al.engine.budgets.quantile import Quantile
from stream_al.engine.budgets.split import Split
from stream_al.engine.budgets.stratified import Stratified
from stream_al.engine.budgets.variable import Variable
from stream_al.engine.budgets.variable_random import VariableRandom

__all__ = ["MANAGERS", "BudgetManager", "Context", "Decision", "Reason"]

MANAGERS: dict[str, type[BudgetManager]] = {
    "stratified": Stratified,
    "fixed": Fixed,
    "variable": Variable,
    "variable_random": VariableRandom,
    "split": Split,
    "periodic": Periodic,
    "quantile": Quantile,
}
