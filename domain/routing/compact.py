"""The part of a problem that is open to choice, as floating numbers ready for search.

Left out are SKUs of which nothing is to be sent and sites that have nothing. Of each SKU's unit costs the
smallest is taken off (whatever is decided, the units are sent, so it is paid in any case) and counted in
`paid`: what remains is never below zero.
"""

from dataclasses import dataclass

import numpy as np

from domain.routing.problem import BoolArray, FloatArray, IntArray, Problem, any_by_column


@dataclass(frozen=True, slots=True, eq=False)
class Compact:
    """Sites worth looking at, SKUs that can be sent, and what is paid whatever is chosen."""

    skus: IntArray
    """Rows of the problem."""
    sites: IntArray
    """Columns of the problem."""
    demand: FloatArray
    """(skus,) units, without those that nobody has; above zero."""
    usable: FloatArray
    """(skus, sites) units a site could give, at most the demand."""
    fixed: FloatArray
    """(sites,) cost of a parcel from it, split penalty included (one too many in sum: see `paid`)."""
    unit: FloatArray
    """(skus, sites) cost and price of a unit above the SKU's cheapest; at least zero."""
    paid: float
    """What is to be added to the cost of a choice: the cheapest units, less one split penalty."""

    @classmethod
    def of(cls, problem: Problem) -> "Compact":
        """Return the core of this problem."""
        usable = problem.usable()
        available = usable.sum(axis=1)
        demand = np.minimum(problem.demand, available)
        skus = np.flatnonzero(demand)
        sites = np.flatnonzero(any_by_column(usable))
        unit = problem.weighed_cost
        if len(skus) < len(demand) or len(sites) < usable.shape[1]:
            corner = np.ix_(skus, sites)
            usable, unit, demand = usable[corner], unit[corner], demand[skus]
        has = usable > 0
        cheapest = np.where(has, unit, np.inf).min(axis=1, initial=np.inf)
        dearest = np.where(has, unit, -np.inf).max(axis=1, initial=-np.inf)
        # What a site has none of costs nothing there; kept in range so that sums do not lose digits to it.
        unit = np.clip(unit, cheapest[:, None], dearest[:, None]) - cheapest[:, None]
        units = demand.astype(np.float64)
        return cls(
            skus=skus,
            sites=sites,
            demand=units,
            usable=usable.astype(np.float64),
            fixed=problem.opening_cost[sites] + problem.split_penalty,
            unit=unit,
            paid=float((units * cheapest).sum()) - problem.split_penalty,
        )

    def indispensable(self) -> BoolArray:
        """Return which sites every plan must use: without them something cannot be served."""
        others: FloatArray = self.usable.sum(axis=1)[:, None] - self.usable
        return any_by_column(others < self.demand[:, None])


def fill(problem: Problem, open_sites: BoolArray) -> IntArray:
    """Return the cheapest allocation (skus, sites) that takes from these sites only.

    For a given set of sites each SKU is served by its cheapest first, equal ones by column order; what they
    do not have stays unserved.
    """
    columns = np.flatnonzero(open_sites)
    allocation = np.zeros_like(problem.supply)
    order = np.argsort(problem.weighed_cost[:, columns], axis=1, kind="stable")
    offered = np.take_along_axis(problem.usable()[:, columns], order, axis=1)
    served = np.minimum(np.cumsum(offered, axis=1), problem.demand[:, None])
    served[:, 1:] -= served[:, :-1].copy()
    taken = np.empty_like(served)
    np.put_along_axis(taken, order, served, axis=1)
    allocation[:, columns] = taken
    return allocation
