"""Which orders are likely to come, drawn from those that came.

What single SKUs will sell is a poor guess from a few hundred past orders (many of them were never asked for
before), but where customers are, how much they order at once and what a delivery costs them from each site is
well seen. So places and sizes are drawn from past orders, and SKUs in proportion to what is expected of each:
the shop's own forecast, or its stock, which somebody bought to be sold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.routing.problem import FloatArray, IntArray, Problem

_ROUNDS_OF_FIT = 10
_ANY_AMOUNT = 2**40


@dataclass(frozen=True, slots=True, eq=False)
class TableOrder:
    """An order, and which rows of a table of stock (SKUs by sites) its SKUs are."""

    problem: Problem
    """Its supply says what it may take at most of each site (0 where a rule forbids it)."""
    rows: IntArray
    """(skus,) rows of the table, each at most once; -1 for what is not in it (of past orders only)."""


def expected_until_delivery(
    stock: IntArray, stock_at_delivery: IntArray, reserve: float = 0.15, reserve_units: float = 0.0
) -> FloatArray:
    """Return (skus,) units likely to be ordered until the next delivery, if stock was bought for that.

    Buyers order what they expect to sell and a reserve (a share of all they had after the last delivery, and
    some units of whatever it is) on top: of what is left now (skus, sites), the reserve stays.
    """
    kept = reserve * stock_at_delivery.sum(axis=1) + reserve_units
    left: FloatArray = np.maximum(stock.sum(axis=1) - kept, 0.0)
    return left


class Outlook:
    """Draws orders like those of the past over the SKUs that are expected to be asked for."""

    def __init__(self, past: Sequence[TableOrder], skus: int) -> None:
        """Learn from past orders over a table of this many SKUs; what they were supplied does not matter."""
        self._openings = [order.problem.opening_cost for order in past]
        self._sizes = np.array([len(order.rows) for order in past], np.int64)
        self._quantities: dict[int, list[int]] = {}
        for order in past:
            for row, units in zip(order.rows.tolist(), order.problem.demand.tolist(), strict=True):
                self._quantities.setdefault(row, []).append(units)
        self._any_quantity = np.concatenate([[1], *(order.problem.demand for order in past)])[bool(past) :]
        self._mean_units = np.full(skus, self._any_quantity.mean())
        for row, seen in self._quantities.items():
            if row >= 0:
                self._mean_units[row] = np.mean(seen)
        self._weights, self._profiles = _fit(past, skus)
        self.unit_costs: FloatArray = self._weights * (
            np.mean(self._profiles) if len(self._profiles) else 1.0
        )
        """(skus,) what a unit costs on average, over places and sites."""
        units = sum(int(order.problem.demand.sum()) for order in past)
        parcels = sum(float(opening.mean()) for opening in self._openings if len(opening))
        self.parcel_share = parcels / max(units, 1)
        """What a parcel costs on average, by the units of an order."""

    def draw(
        self, draw: np.random.Generator, expected: FloatArray, orders: int, *, exactly: bool = False
    ) -> list[TableOrder]:
        """Return orders that together ask for about the expected units (skus,), of about this number.

        They may take whatever there is. With `exactly`, each SKU is asked for as much as is expected, to the
        unit (fractions by chance): what is not known then is who asks for it and with what else.
        """
        if not len(self._sizes) or orders <= 0:
            return []
        lines, units = self._exactly(draw, expected) if exactly else self._about(draw, expected)
        mixed = draw.permutation(len(lines))
        lines, units = lines[mixed], units[mixed]
        places = draw.integers(0, len(self._sizes), orders)
        ends = np.cumsum(self._sizes[places])
        ends = np.round(ends * (len(lines) / max(int(ends[-1]), 1))).astype(np.int64)
        drawn, start = [], 0
        for place, end in zip(places.tolist(), ends.tolist(), strict=True):
            if end > start:
                drawn.append(self._order(place, lines[start:end], units[start:end]))
            start = end
        return drawn

    def _about(self, draw: np.random.Generator, expected: FloatArray) -> tuple[IntArray, IntArray]:
        """Return the SKU and the units of each line, as many as chance has it."""
        counts = draw.poisson(expected / self._mean_units)
        lines = np.repeat(np.arange(len(counts)), counts)
        units = [self._some(draw, row) for row in lines.tolist()]
        return lines, np.array(units, np.int64)

    def _exactly(self, draw: np.random.Generator, expected: FloatArray) -> tuple[IntArray, IntArray]:
        """Return the SKU and the units of each line; the last line of a SKU takes what is left of it."""
        whole = np.floor(expected + draw.random(len(expected))).astype(np.int64)
        lines, units = [], []
        for row in np.flatnonzero(whole).tolist():
            left = int(whole[row])
            while left > 0:
                lines.append(row)
                units.append(min(left, max(self._some(draw, row), 1)))
                left -= units[-1]
        return np.array(lines, np.int64), np.array(units, np.int64)

    def _some(self, draw: np.random.Generator, row: int) -> int:
        """Return what was once ordered of the SKU, or of any if it was not ordered yet."""
        seen = self._quantities.get(row, self._any_quantity)
        return int(seen[int(draw.random() * len(seen))])

    def _order(self, place: int, lines: IntArray, units: IntArray) -> TableOrder:
        rows, which = np.unique(lines, return_inverse=True)
        demand = np.zeros(len(rows), np.int64)
        np.add.at(demand, which, units)
        opening = self._openings[place]
        unit_cost = self._weights[rows][:, None] * self._profiles[place]
        supply = np.full(unit_cost.shape, _ANY_AMOUNT, np.int64)
        return TableOrder(Problem(demand, supply, opening, unit_cost), rows)


def _fit(past: Sequence[TableOrder], skus: int) -> tuple[FloatArray, FloatArray]:
    """Split unit costs into what lies in the SKU (its weight) and in the place (a profile over the sites).

    Alternating least ratios: exact where a unit costs its weight times a rate by distance. SKUs never ordered
    get the median weight. Returns (skus,) weights and (orders, sites) profiles.
    """
    if not past:
        return np.ones(skus), np.zeros((0, 0))
    rows = np.concatenate([order.rows for order in past])
    orders = np.repeat(np.arange(len(past)), [len(order.rows) for order in past])
    costs = np.concatenate([order.problem.unit_cost for order in past])
    means = costs.mean(axis=1)
    known = rows >= 0
    # What is no longer in the table still tells of its place: each such line is a SKU of its own.
    names = np.where(known, rows, skus + np.arange(len(rows)))
    weights = np.ones(skus + len(rows))
    weights[names] = np.maximum(means, 1e-12)
    sums = np.zeros((len(past), costs.shape[1]))
    np.add.at(sums, orders, costs)
    profiles = np.ones_like(sums)
    for _ in range(_ROUNDS_OF_FIT):
        weighed = np.bincount(orders, weights[names], len(past))
        profiles = sums / np.maximum(weighed, 1e-12)[:, None]
        rates = np.bincount(names, profiles.mean(axis=1)[orders], len(weights))
        seen = rates > 0
        weights[seen] = np.bincount(names, means, len(weights))[seen] / rates[seen]
    known_rows = np.unique(rows[known])
    unknown = np.ones(skus, np.bool_)
    unknown[known_rows] = False
    weights = weights[:skus]
    weights[unknown] = np.median(weights[known_rows]) if len(known_rows) else means.mean()
    return weights, profiles
