"""Exact costs of many small sets of open sites at once, where there are very many sites.

`SubsetCosts` looks at every site for every set; here only at the open ones, which are few of hundreds.
"""

import numpy as np

from domain.routing.compact import Compact
from domain.routing.problem import FloatArray, IntArray

_CELLS_AT_ONCE = 200_000
"""Numbers held at once, so that they stay in the processor's cache."""
_OWN_ORDER_WORK = 6
"""How much dearer a set is where each SKU ranks sites anew."""


class OpenSets:
    """Prices sets of sites of one size, each given as a row of ascending positions."""

    def __init__(self, compact: Compact) -> None:
        order = np.argsort(compact.unit.sum(axis=0), kind="stable")
        unit = compact.unit[:, order]
        # Costs that grow with distance have the same order of sites for every SKU: nothing is to be sorted.
        self._one_order = bool((unit[:, 1:] >= unit[:, :-1]).all())
        self._demand = compact.demand
        self.sites = order
        """The compact problem's site at each position: those that are cheap by the unit come first."""
        self.usable = np.ascontiguousarray(compact.usable[:, order].T)
        """(positions, skus) units."""
        self.unit = np.ascontiguousarray(unit.T)
        """(positions, skus) cost of a unit."""
        self.fixed = compact.fixed[order]
        """(positions,) cost of a parcel."""
        self.work = 0
        """Numbers looked at so far: a measure of time that is the same on every machine."""

    def of(self, sets: IntArray) -> FloatArray:
        """Return the cost of each set, without what is paid anyhow; infinite where it cannot serve all."""
        costs = np.empty(len(sets))
        cells = max(sets.shape[1] * self.usable.shape[1], 1)
        rows = max(1, _CELLS_AT_ONCE // cells)
        for start in range(0, len(sets), rows):
            costs[start : start + rows] = self._price(sets[start : start + rows])
        self.work += len(sets) * cells * (1 if self._one_order else _OWN_ORDER_WORK)
        return costs

    def _price(self, sets: IntArray) -> FloatArray:
        left = np.tile(self._demand, (len(sets), 1))
        costs: FloatArray = self.fixed[sets].sum(axis=1)
        if self._one_order:
            for column in sets.T:
                taken = np.minimum(self.usable[column], left)
                left -= taken
                costs += np.einsum("ij,ij->i", taken, self.unit[column])
        else:
            unit, usable = self.unit[sets], self.usable[sets]
            order = np.argsort(unit, axis=1, kind="stable")
            unit = np.take_along_axis(unit, order, axis=1)
            usable = np.take_along_axis(usable, order, axis=1)
            for place in range(sets.shape[1]):
                taken = np.minimum(usable[:, place], left)
                left -= taken
                costs += np.einsum("ij,ij->i", taken, unit[:, place])
        costs[left.sum(axis=1) > 0.5] = np.inf
        return costs

    def positions(self, subset: FloatArray) -> IntArray:
        """Return the positions of a set that is given as zeros and ones over the compact problem's sites."""
        found: IntArray = np.flatnonzero(subset[self.sites])
        return found

    def subset(self, positions: IntArray) -> FloatArray:
        """Return zeros and ones over the compact problem's sites."""
        subset = np.zeros(len(self.sites))
        subset[self.sites[positions]] = 1
        return subset
