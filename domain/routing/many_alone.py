"""What many orders would take, each for itself, at ever other prices: for learning prices, not for deciding.

All sets of a few sites are priced for all orders at once. A line that no single site of a set can serve is
split as this allows: its k-th unit comes from the cheapest open site that has k units for it. That is never
more than a site has, and what the exact search would take in all but few lines.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from domain.routing.deciding import decide
from domain.routing.outlook import TableOrder
from domain.routing.problem import FloatArray, IntArray

_Singles = NDArray[np.float32]
"""Half as long as others, which is half of the time here; exact enough to choose by."""
_MOST_SITES = 12
"""Sites up to which all their sets are priced (4,096); above, each order is decided by the search."""


class ManyAlone:
    """Orders over one stock, each of which has all of it to itself."""

    def __init__(self, orders: Sequence[TableOrder], stock: IntArray) -> None:
        """Look at these orders; their rows are of the stock (skus, sites)."""
        self._stock = stock
        self._orders = [order for order in orders if len(order.rows)]
        self._sites = stock.shape[1]
        self._enumerated = bool(self._orders) and 0 < self._sites <= _MOST_SITES
        if self._enumerated:
            self._flatten()

    def _flatten(self) -> None:
        """Cut lines into parts that any site that can serve some of can serve in full."""
        problems = [order.problem for order in self._orders]
        rows = np.concatenate([order.rows for order in self._orders])
        supply = np.concatenate([problem.usable() for problem in problems])
        usable = np.minimum(supply, self._stock[rows])
        unit_cost = np.concatenate([problem.unit_cost for problem in problems])
        numbers = np.repeat(np.arange(len(problems)), [len(order.rows) for order in self._orders])
        levels = np.sort(usable, axis=1)
        units = np.diff(levels, axis=1, prepend=0)
        line, level = np.nonzero(units)
        self._enumerated = bool(len(line))
        self._rows, self._units = rows[line], units[line, level]
        able = usable[line] >= levels[line, level][:, None]
        self._costs = np.where(able, unit_cost[line] * self._units[:, None], np.inf)
        kept, self._starts, self._order_of = np.unique(numbers[line], return_index=True, return_inverse=True)
        opening = [problems[number].opening_cost + problems[number].split_penalty for number in kept]
        self._opening: _Singles = np.array(opening, np.float32).reshape(-1, self._sites).T

    def wanted(self, prices: FloatArray) -> IntArray:
        """Return (skus, sites) units that they take in all at these stock prices."""
        if self._enumerated:
            return self._enumerate(prices)
        wanted = np.zeros(self._stock.shape, np.int64)
        for order in self._orders:
            supply = np.minimum(self._stock[order.rows], order.problem.supply)
            alone = replace(order.problem, supply=supply, stock_price=prices[order.rows])
            wanted[order.rows] += decide(alone).allocation
        return wanted

    def _enumerate(self, prices: FloatArray) -> IntArray:
        weighed = self._costs + prices[self._rows] * self._units[:, None]
        costs = np.ascontiguousarray(weighed.T.astype(np.float32))
        half = self._sites // 2
        lower, upper = _cheapest(costs[:half]), _cheapest(costs[half:])
        lower_fixed, upper_fixed = _sums(self._opening[:half]), _sums(self._opening[half:])
        orders = np.arange(len(self._starts))
        best = np.full(len(orders), np.inf, np.float32)
        chosen = np.zeros(len(orders), np.int64)
        either = np.empty_like(upper)
        for number in range(len(lower)):
            np.minimum(upper, lower[number], out=either)
            totals = np.add.reduceat(either, self._starts, axis=1)
            totals += upper_fixed
            totals += lower_fixed[number]
            least = totals.argmin(axis=0)
            found = totals[least, orders]
            better = found < best
            best[better] = found[better]
            chosen[better] = (least[better] << half) + number
        is_open = (chosen[:, None] >> np.arange(self._sites)) & 1 == 1
        site = np.where(is_open[self._order_of], weighed, np.inf).argmin(axis=1)
        wanted = np.zeros(self._stock.shape, np.int64)
        np.add.at(wanted, (self._rows, site), self._units)
        return wanted


def _cheapest(costs: _Singles) -> _Singles:
    """Return (sets, parts) the least cost of each part for every set of these sites; the bits name them."""
    cheapest = np.full((1 << len(costs), costs.shape[1]), np.inf, costs.dtype)
    for place, row in enumerate(costs):
        np.minimum(cheapest[: 1 << place], row, out=cheapest[1 << place : 2 << place])
    return cheapest


def _sums(opening: _Singles) -> _Singles:
    """Return (sets, orders) the sum for every set of these sites."""
    sums = np.zeros((1 << len(opening), opening.shape[1]), opening.dtype)
    for place, row in enumerate(opening):
        np.add(sums[: 1 << place], row, out=sums[1 << place : 2 << place])
    return sums
