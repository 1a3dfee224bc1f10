"""Good plans quickly: a greedy cover, then adding, dropping and swapping sites while that pays."""

import time

import numpy as np

from domain.routing.compact import Compact
from domain.routing.problem import BoolArray, FloatArray
from domain.routing.subset_costs import SubsetCosts

_SMALL = 2_000
"""Cells (SKUs x sites) up to which every neighbour is looked at."""
_CELLS_A_ROUND = 2_000_000
_FEWEST_SWAPS = 200


def greedy_cover(compact: Compact, open_sites: BoolArray) -> BoolArray:
    """Open, beside these, the site of the least cost per unit still unserved until all are served."""
    chosen = open_sites.copy()
    left = np.maximum(compact.demand - compact.usable[:, chosen].sum(axis=1), 0.0)
    while left.any():
        taken = np.minimum(compact.usable, left[:, None])
        units = taken.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = (compact.fixed + (taken * compact.unit).sum(axis=0)) / units
        rate[(units == 0) | chosen] = np.inf
        site = int(rate.argmin())
        chosen[site] = True
        left -= taken[:, site]
    return chosen


def improve(
    costs: SubsetCosts,
    subset: FloatArray,
    cost: float,
    free: BoolArray,
    *,
    rounds: int,
    deadline: float = np.inf,
) -> tuple[FloatArray, float]:
    """Take the best neighbour (a free site added, dropped, or swapped) while it is cheaper."""
    for _ in range(rounds):
        if not free.any() or time.monotonic() > deadline:
            break
        neighbours = _neighbours(subset, free, costs.compact.usable.size)
        prices = costs.of(neighbours)
        best = int(prices.argmin())
        if not prices[best] < cost - 1e-12 * abs(cost):
            break
        subset, cost = neighbours[best], float(prices[best])
    return subset, cost


def _neighbours(subset: FloatArray, free: BoolArray, cells: int) -> FloatArray:
    closed = np.flatnonzero((subset == 0) & free)
    opened = np.flatnonzero((subset == 1) & free)
    swap_in, swap_out = np.tile(closed, len(opened)), np.repeat(opened, len(closed))
    most = max(_FEWEST_SWAPS, _CELLS_A_ROUND // cells) if cells > _SMALL else len(swap_in)
    if len(swap_in) > most:
        # Seeded by the sizes: the same problem always gets the same answer.
        some = np.random.default_rng(len(swap_in)).choice(len(swap_in), most, replace=False)
        swap_in, swap_out = swap_in[some], swap_out[some]
    added, dropped = len(closed), len(closed) + len(opened)
    neighbours = np.tile(subset, (dropped + len(swap_in), 1))
    neighbours[np.arange(added), closed] = 1
    neighbours[np.arange(added, dropped), opened] = 0
    swapped = np.arange(dropped, dropped + len(swap_in))
    neighbours[swapped, swap_in] = 1
    neighbours[swapped, swap_out] = 0
    return neighbours
