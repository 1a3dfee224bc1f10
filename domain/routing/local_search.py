"""Very good plans for large orders: local search from many starts.

The best neighbour (a site added, dropped or swapped) is taken while it is cheaper. Then some sites of the
best plan are closed, the hole is mended by a greedy cover with some chance in it, and the outcome is improved
again (iterated local search: Lourenco, Martin and Stuetzle 2003). The limit is work, not time: the same order
gets the same plan on a slow machine.
"""

import time

import numpy as np

from domain.routing.compact import Compact
from domain.routing.open_sets import OpenSets
from domain.routing.problem import FloatArray, IntArray

_STARTS = 50
_MOST_WORK = 500_000_000
"""Numbers looked at: about a second."""
_MOST_SWAPS = 6_000
_CHANCE = 0.2
"""How much chance there is in the rates that the mending goes by."""
_ROUNDING = 1e-12


def good_plan(compact: Compact, start: FloatArray, cost: float, deadline: float) -> tuple[FloatArray, float]:
    """Return a plan at least as good as `start` (zeros and ones over sites, at its cost), and its cost."""
    search = _LocalSearch(compact, deadline)
    best, cost = search.improve(search.sets.positions(start), cost)
    for _ in range(_STARTS):
        if search.exhausted():
            break
        mended = search.ruin_and_mend(best)
        other, its_cost = search.improve(mended, float(search.sets.of(mended[None])[0]))
        if its_cost < cost - _ROUNDING * abs(cost):
            best, cost = other, its_cost
    return search.sets.subset(best), cost


class _LocalSearch:
    """Moves from set to set; `chance` is seeded, so that it moves the same way each time."""

    def __init__(self, compact: Compact, deadline: float) -> None:
        self.sets = OpenSets(compact)
        self._demand = compact.demand
        self._deadline = deadline
        self._chance = np.random.default_rng(0)

    def exhausted(self) -> bool:
        return self.sets.work > _MOST_WORK or time.monotonic() > self._deadline

    def improve(self, opened: IntArray, cost: float) -> tuple[IntArray, float]:
        """Take the best neighbour while it is cheaper."""
        while not self.exhausted():
            better, its_cost = opened, cost
            for neighbours in self._neighbours(opened):
                if not neighbours.size:
                    continue
                costs = self.sets.of(neighbours)
                best = int(costs.argmin())
                if costs[best] < its_cost - _ROUNDING * abs(its_cost):
                    better, its_cost = neighbours[best], float(costs[best])
            if better is opened:
                break
            opened, cost = better, its_cost
        return opened, cost

    def _neighbours(self, opened: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return the sets with one site swapped, one added, one dropped; ascending as pricing wants them."""
        count = len(opened)
        closed = np.setdiff1d(np.arange(len(self.sets.sites)), opened, assume_unique=True)
        dropped = np.array([np.delete(opened, place) for place in range(count)]).reshape(count, count - 1)
        swaps = np.arange(count * len(closed))
        if len(swaps) > _MOST_SWAPS:
            swaps = self._chance.choice(len(swaps), _MOST_SWAPS, replace=False)
        out, into = np.divmod(swaps, max(len(closed), 1))
        swapped = np.column_stack([dropped[out], closed[into]])
        added = np.column_stack([np.tile(opened, (len(closed), 1)), closed])
        return np.sort(swapped, axis=1), np.sort(added, axis=1), dropped

    def ruin_and_mend(self, opened: IntArray) -> IntArray:
        """Close two sites to two thirds of the open ones and cover what is then not served."""
        closed = int(self._chance.integers(min(2, len(opened)), max(3, 2 * len(opened) // 3)))
        chosen = self._chance.permutation(opened)[closed:].tolist()
        sets = self.sets
        left = np.maximum(self._demand - sets.usable[chosen].sum(axis=0), 0.0)
        while left.any():
            taken = np.minimum(sets.usable, left)
            units = taken.sum(axis=1)
            units[chosen] = 0
            rate = np.full(len(units), np.inf)
            able = np.flatnonzero(units)
            cost = sets.fixed[able] + np.einsum("ij,ij->i", taken[able], sets.unit[able])
            rate[able] = cost / units[able] * np.exp(_CHANCE * self._chance.standard_normal(len(able)))
            site = int(rate.argmin())
            chosen.append(site)
            left -= taken[site]
        return np.sort(np.array(chosen, np.int64))
