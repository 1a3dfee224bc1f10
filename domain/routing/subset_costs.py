"""Exact costs of many sets of open sites at once.

With sites sorted by unit cost, a SKU's cheapest-first fill is a running sum cut off at the demand; the cost
is then a plain product (summation by parts), for thousands of sets in a few array operations.
"""

import numpy as np

from domain.routing.compact import Compact
from domain.routing.problem import BoolArray, FloatArray

_CELLS_AT_ONCE = 60_000
"""Numbers held at once, so that they stay in the processor's cache."""
_FEW = 24
_PRODUCT_CELLS = 200_000
"""Multiplications per matrix product: below what linear algebra libraries start threads for, which cost more
CPU than they save here."""


class SubsetCosts:
    """Prices sets of sites, given as rows of zeros and ones over the compact problem's sites."""

    def __init__(self, compact: Compact) -> None:
        self.compact = compact
        self._skus, self._sites = compact.usable.shape
        self._all_units = float(compact.demand.sum()) - 0.5
        unit = compact.unit
        order = np.argsort(unit.sum(axis=0), kind="stable")
        by_order = unit[:, order]
        self._order: np.ndarray
        # Costs that grow with distance have the same order of sites for every SKU, which saves a dimension.
        self._one_order = bool((by_order[:, 1:] >= by_order[:, :-1]).all())
        if self._one_order:
            self._order = order
            self._offered = np.ascontiguousarray(compact.usable[:, order])
        else:
            self._order = np.argsort(unit, axis=1, kind="stable")
            by_order = np.take_along_axis(unit, self._order, axis=1)
            self._offered = np.take_along_axis(compact.usable, self._order, axis=1)
        steps = np.empty_like(by_order)
        steps[:, :-1] = by_order[:, :-1] - by_order[:, 1:]
        steps[:, -1] = by_order[:, -1]
        self._steps = steps.ravel()

    def of(self, subsets: FloatArray) -> FloatArray:
        """Return each row's cost, without what is paid anyhow; infinite where it cannot serve everything."""
        if len(subsets) <= _FEW:
            return self._price(subsets)
        costs = np.full(len(subsets), np.inf)
        able = np.flatnonzero(self._serve_everything(subsets))
        rows = max(1, _CELLS_AT_ONCE // (self._skus * self._sites))
        for start in range(0, len(able), rows):
            some = able[start : start + rows]
            costs[some] = self._price(subsets[some])
        return costs

    def of_one(self, subset: FloatArray) -> float:
        """Return the cost of one set of sites."""
        return float(self._price(subset[None])[0])

    def _serve_everything(self, subsets: FloatArray) -> BoolArray:
        usable, demand = self.compact.usable.T, self.compact.demand - 0.5
        able = np.empty(len(subsets), np.bool_)
        rows = max(1, _PRODUCT_CELLS // (self._skus * self._sites))
        for start in range(0, len(subsets), rows):
            some = slice(start, start + rows)
            able[some] = (subsets[some] @ usable >= demand).all(axis=1)
        return able

    def _price(self, subsets: FloatArray) -> FloatArray:
        chosen = subsets[:, self._order]
        if self._one_order:
            chosen = chosen[:, None, :]
        served = chosen * self._offered
        np.cumsum(served, axis=2, out=served)
        np.minimum(served, self.compact.demand[:, None], out=served)
        units = served.reshape(len(subsets), -1)
        # einsum keeps to one thread.
        costs: FloatArray = np.einsum("ij,j->i", units, self._steps)
        costs += np.einsum("ij,j->i", subsets, self.compact.fixed)
        costs[served[:, :, -1].sum(axis=1) < self._all_units] = np.inf
        return costs
