"""Many orders decided together over one stock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from domain.routing.deciding import decide
from domain.routing.problem import Decision, IntArray, Problem


@dataclass(frozen=True, slots=True, eq=False)
class BatchOrder:
    """An order of a batch, and which rows of the shared stock its SKUs are."""

    problem: Problem
    """Its supply says what it may take at most of each site (0 where a rule forbids it)."""
    rows: IntArray
    """(skus,) rows of the stock table, each at most once."""


def decide_together(
    orders: Sequence[BatchOrder], stock: IntArray, *, time_limit_seconds: float = 30.0
) -> tuple[Decision, ...]:
    """Return a decision for each order; together they take no more than the stock (rows, sites)."""
    left = np.array(stock, np.int64)
    decisions = []
    for order in orders:
        supply = np.minimum(order.problem.supply, left[order.rows])
        decision = decide(replace(order.problem, supply=supply))
        left[order.rows] -= decision.allocation
        decisions.append(decision)
    return tuple(decisions)
