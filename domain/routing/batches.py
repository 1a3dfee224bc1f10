"""Many orders decided together over one stock: none takes what another makes better use of.

First each in turn takes what is best for it. Then orders that got less than they would have alone are looked
at again and again: such an order and some of those that have what it wants give everything back and decide
anew, it first; what comes out is kept if all of them together are cheaper (large neighbourhood search by ruin
and recreate, Shaw 1998; Schrimpf et al. 2000). Stock prices, if the orders carry them, keep what
later orders will need.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from domain.routing.deciding import decide
from domain.routing.outlook import TableOrder
from domain.routing.problem import Decision, FloatArray, IntArray

_TRIALS_AN_ORDER = 40
_MOST_RIVALS = 4
_SHARED_ROUNDING = 1e-9


def decide_together(
    orders: Sequence[TableOrder],
    stock: IntArray,
    *,
    prices: FloatArray | None = None,
    time_limit_seconds: float = 30.0,
    seed: int = 0,
) -> tuple[Decision, ...]:
    """Return a decision for each order; together they take no more than the stock.

    What is not enough for all goes to the first orders; no order is left short so that another is cheaper. A
    decision's bound is what the order would cost with all the stock to itself, and it is proven where it
    reaches that: the batch cannot be cheaper than the sum of the bounds.

    Args:
        orders: those that come first go first where stock is short. Their rows are of `stock`.
        stock: (skus, sites) what all of them may take, what they hold themselves included.
        prices: (skus, sites) stock prices, in the place of those the orders' problems have.
        time_limit_seconds: for everything; what was found by then is returned.
        seed: the same one gives the same decisions, unless the time limit strikes.
    """
    deadline = time.monotonic() + time_limit_seconds
    batch = _Batch(orders, np.array(stock, np.int64), prices, deadline)
    batch.improve(np.random.default_rng(seed))
    return batch.answer()


class _Batch:
    """The decisions so far, and what stock is left."""

    def __init__(
        self, orders: Sequence[TableOrder], stock: IntArray, prices: FloatArray | None, deadline: float
    ) -> None:
        self._deadline = deadline
        self._rows = [order.rows for order in orders]
        self._problems = [
            order.problem if prices is None else replace(order.problem, stock_price=prices[order.rows])
            for order in orders
        ]
        self._left = stock.copy()
        self._alone = [self._decide(number) for number in range(len(orders))]
        self._now: list[Decision] = []
        for number in range(len(orders)):
            decision = self._alone[number]
            if (decision.allocation > self._left[self._rows[number]]).any():
                decision = self._decide(number)
            self._now.append(decision)
            self._left[self._rows[number]] -= decision.allocation
        self._takers = self._who_takes()

    def _decide(self, number: int) -> Decision:
        problem = self._problems[number]
        supply = np.minimum(problem.supply, self._left[self._rows[number]])
        seconds = max(self._deadline - time.monotonic(), 0.0)
        return decide(replace(problem, supply=supply), time_limit_seconds=seconds)

    def _who_takes(self) -> dict[int, list[int]]:
        """Return which orders have which row of the stock among theirs."""
        takers: dict[int, list[int]] = {}
        for number, rows in enumerate(self._rows):
            for row in rows.tolist():
                takers.setdefault(row, []).append(number)
        return takers

    def _regret(self, number: int) -> float:
        return self._now[number].total - self._alone[number].total

    def improve(self, draw: np.random.Generator) -> None:
        """Let orders that lost most take turns at their rivals' stock until nothing comes of it."""
        failures = [0] * len(self._now)
        while time.monotonic() < self._deadline:
            regrets = [
                self._regret(number) if failures[number] < _TRIALS_AN_ORDER else 0.0
                for number in range(len(self._now))
            ]
            losers = [
                number
                for number in sorted(range(len(regrets)), key=lambda one: -regrets[one])
                if regrets[number] > _SHARED_ROUNDING * abs(self._now[number].total)
            ]
            if not losers:
                return
            for loser in losers:
                if time.monotonic() > self._deadline:
                    return
                failures[loser] = 0 if self._try(loser, draw) else failures[loser] + 1

    def _try(self, loser: int, draw: np.random.Generator) -> bool:
        """Let the loser and some rivals decide anew; say whether that made them cheaper together."""
        rivals = self._rivals(loser)
        if not rivals:
            return False
        count = min(len(rivals), 1 + int(draw.integers(_MOST_RIVALS)))
        chosen = [loser, *(rivals[int(one)] for one in draw.permutation(len(rivals))[:count])]
        before = {number: self._now[number] for number in chosen}
        for number in chosen:
            self._left[self._rows[number]] += before[number].allocation
        cost = 0.0
        worse = False
        for number in chosen:
            after = self._decide(number)
            self._now[number] = after
            self._left[self._rows[number]] -= after.allocation
            cost += after.total
            worse = worse or bool((after.short > before[number].short).any())
        old = sum(one.total for one in before.values())
        if not worse and cost < old - _SHARED_ROUNDING * abs(old):
            return True
        for number in chosen:
            self._left[self._rows[number]] += self._now[number].allocation
        for number in chosen:
            self._now[number] = before[number]
            self._left[self._rows[number]] -= before[number].allocation
        return False

    def _rivals(self, loser: int) -> list[int]:
        """Return who has what the loser would take if it were there."""
        rows = self._rows[loser]
        now, alone = self._now[loser].allocation, self._alone[loser].allocation
        wanted = alone > now + self._left[rows]
        rivals: set[int] = set()
        for sku in np.flatnonzero(wanted.any(axis=1)).tolist():
            for other in self._takers[int(rows[sku])]:
                if other == loser or other in rivals:
                    continue
                line = int(np.flatnonzero(self._rows[other] == rows[sku])[0])
                if (self._now[other].allocation[line][wanted[sku]] > 0).any():
                    rivals.add(other)
        return sorted(rivals)

    def answer(self) -> tuple[Decision, ...]:
        """Return the decisions, each with its bound."""
        return tuple(
            replace(
                now,
                bound=min(alone.bound, now.total),
                proven=alone.proven and self._regret(number) <= _SHARED_ROUNDING * abs(now.total),
                short=np.asarray(problem.demand - now.allocation.sum(axis=1)),
            )
            for number, (now, alone, problem) in enumerate(
                zip(self._now, self._alone, self._problems, strict=True)
            )
        )
