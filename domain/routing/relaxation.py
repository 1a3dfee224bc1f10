"""A lower bound on every plan, and what opening or closing a site would add to it at least.

Lagrangian relaxation of the capacitated facility location problem: that each SKU be served in full is no
longer demanded but paid for by a multiplier (Geoffrion and McBride 1978; Beasley 1993). Rows that say how
many of the sites having a SKU must open at least (cover inequalities) tighten it. The multipliers are found
by projected subgradient steps of Polyak's length. What is left of a site's fixed cost after its earnings is
its reduced cost: a plan that decides otherwise than its sign costs that much more than the bound.
"""

import numpy as np

from domain.routing.compact import Compact
from domain.routing.problem import BoolArray, FloatArray, IntArray

_PATIENCE = 4
_SHORTEN = 0.6
_MOMENTUM = 0.3
_PROGRESS = 1e-4
_STEP_SCALE_OF_KNOWN = 0.5
"""Steps from multipliers that are all but right are shorter."""


class Relaxation:
    """The dual of one node of the search: some sites are open, some closed, the others undecided."""

    def __init__(
        self,
        compact: Compact,
        forced: BoolArray,
        allowed: BoolArray,
        start: FloatArray | None,
        patience: int = _PATIENCE,
        covers: FloatArray | None = None,
    ) -> None:
        """Start from known multipliers if given: `start` of the SKUs, `covers` of their cover rows."""
        self.columns = np.flatnonzero(allowed)
        """The sites that may be open, as positions in the compact problem."""
        self.forced = forced[self.columns]
        usable = compact.usable[:, self.columns]
        fixed = compact.fixed[self.columns]
        self._paid = float(fixed[self.forced].sum())
        self._fixed = np.where(self.forced, 0.0, fixed)
        shares = usable / compact.demand[:, None]
        full_cost = np.where(usable > 0, compact.unit[:, self.columns] * compact.demand[:, None], np.inf)
        self._weights, self._costs, self._covered = _with_covers(
            shares, full_cost, compact.demand, usable, self.forced
        )
        self._skus = len(shares)
        # A multiplier below the cheapest way to serve is never better than it.
        self._floor = np.zeros(len(self._weights))
        self._floor[: self._skus] = full_cost.min(axis=1)
        self._now = self._start(shares, full_cost, start)
        if covers is not None:
            self._now[self._skus :] = covers[self._covered]
        self._best = self._now
        self._step_scale = 1.0 if covers is None else _STEP_SCALE_OF_KNOWN
        self._patience = patience
        self._bad_steps = 0
        self._direction: FloatArray | None = None
        self.bound = -np.inf
        self.reduced = np.zeros(len(self.columns))
        self.settled = False

    def _start(self, shares: FloatArray, full_cost: FloatArray, start: FloatArray | None) -> FloatArray:
        now = self._floor.copy()
        if start is None:
            served = np.maximum(shares.sum(axis=0), 1e-9)
            now[: self._skus] = (full_cost + self._fixed / served).min(axis=1)
        else:
            now[: self._skus] = np.maximum(now[: self._skus], start)
        return now

    @property
    def multipliers(self) -> FloatArray:
        """(skus,) what the bound pays for serving each SKU."""
        return self._best[: self._skus]

    @property
    def covers(self) -> FloatArray:
        """(skus,) what the bound pays for opening enough of the sites that have each SKU."""
        covers = np.zeros(self._skus)
        covers[self._covered] = self._best[self._skus :]
        return covers

    @property
    def cells(self) -> int:
        """Numbers that each step looks at."""
        return self._weights.size

    def ascend(self, target: float) -> None:
        """Compute the bound at the present multipliers and step towards `target`, a known plan's cost."""
        earned = self._now[:, None] - self._costs
        np.maximum(earned, 0.0, out=earned)
        reduced = self._fixed - np.einsum("ij,ij->j", earned, self._weights)
        bound = self._paid + float(self._now.sum()) + float(np.minimum(reduced, 0.0).sum())
        self._judge(bound)
        if bound > self.bound:
            self.bound, self.reduced, self._best = bound, reduced, self._now
        open_here = reduced < 0
        slope = 1.0 - np.einsum("ij,ij->i", self._weights, ((earned > 0) & open_here).astype(np.float64))
        slope[(self._now <= self._floor) & (slope < 0)] = 0.0
        direction = slope if self._direction is None else slope + _MOMENTUM * self._direction
        length = float((direction * direction).sum())
        if length < 1e-12:
            self.settled = True
            return
        self._direction = direction
        step = self._step_scale * max(target - bound, 1e-3 * abs(bound)) / length
        self._now = np.maximum(self._now + step * direction, self._floor)

    def _judge(self, bound: float) -> None:
        if bound > self.bound + _PROGRESS * max(abs(self.bound), 1e-12) or self.bound == -np.inf:
            self._bad_steps = 0
            return
        self._bad_steps += 1
        if self._bad_steps >= self._patience:
            self._step_scale *= _SHORTEN
            self._bad_steps = 0

    def opened(self, sites: int) -> FloatArray:
        """Return the set of sites that the bound would open, over the compact problem's sites."""
        subset = np.zeros(sites)
        subset[self.columns[(self.reduced < 0) | self.forced]] = 1
        return subset


def _with_covers(
    shares: FloatArray, full_cost: FloatArray, demand: FloatArray, usable: FloatArray, forced: BoolArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Append a row a SKU that the open sites do not cover: at least n of the others holding it must open.

    Returns the weights, the costs, and the SKUs that have such a row.
    """
    left = demand - usable[:, forced].sum(axis=1)
    rows = np.flatnonzero(left > 0.5)
    if not len(rows):
        return shares, full_cost, rows
    others = usable[rows]
    others[:, forced] = 0
    most = np.cumsum(-np.sort(-others, axis=1), axis=1)
    needed = (most < left[rows][:, None] - 0.5).sum(axis=1) + 1
    covers = (others > 0) / needed[:, None]
    return np.concatenate([shares, covers]), np.concatenate([full_cost, np.zeros_like(covers)]), rows
