"""Best-first branch and bound for large orders, down to a gap that is asked for.

The node with the least bound is split by the site that its bound is least sure of; a Lagrangian bound of
each half starts from its parent's multipliers, so that a few steps are enough. A node is done once its bound
is within the gap asked for of the best plan: sites whose reduced cost goes beyond that are settled with it,
which is why a gap of half a percent takes a small part of the work of a full proof. Every bound is a proven
one: the least of all nodes not looked into, and of the line at which nodes were done with.
"""

import heapq
import time
from dataclasses import dataclass, field

import numpy as np

from domain.routing.compact import Compact
from domain.routing.open_sets import OpenSets
from domain.routing.problem import BoolArray, FloatArray, any_by_column
from domain.routing.relaxation import Relaxation

_FIRST_STEPS, _FIRST_PATIENCE = 600, 20
_STEPS, _PATIENCE = 40, 5
_WORK_OF_A_STEP = 20_000
"""What a step costs beside the numbers it looks at, in numbers."""


@dataclass(frozen=True, slots=True, order=True)
class _Node:
    """What is settled in a part of the plans, and the bound on all of it."""

    bound: float
    number: int
    forced: BoolArray = field(compare=False)
    allowed: BoolArray = field(compare=False)
    site: int = field(compare=False)
    """What to branch on."""
    multipliers: FloatArray = field(compare=False)
    covers: FloatArray = field(compare=False)


class Branching:
    """The best plan known (zeros and ones over the sites) and what none undercuts."""

    def __init__(self, compact: Compact, subset: FloatArray, cost: float, deadline: float) -> None:
        self._compact = compact
        self._sets = OpenSets(compact)
        self._deadline = deadline
        self._nodes = 0
        self._open: list[_Node] = []
        self._gap = np.inf
        self.subset = subset
        self.cost = cost
        """Without what is paid anyhow."""
        self.bound = -np.inf
        self.root: Relaxation | None = None
        """The bound before branching, once `run`."""
        self.work = 0
        """Numbers looked at so far: a measure of time that is the same on every machine."""

    def gap(self) -> float:
        """Return how far the bound is from the plan, by the plan's whole cost."""
        whole = abs(self.cost + self._compact.paid)
        return (self.cost - self.bound) / whole if whole else 0.0

    def run(self, gap: float, most_work: int | None) -> None:
        """Branch until the gap is reached, so much work is done (None: any), or time is up.

        Asked for the same gap again, it goes on where it stopped.
        """
        if gap != self._gap:
            self._gap, self._open = gap, []
            self._keep(self._root_node())
        while self._open and self._open[0].bound < self._line():
            if (most_work and self.work > most_work) or time.monotonic() > self._deadline:
                break
            node = heapq.heappop(self._open)
            for opened in (True, False):
                self._keep(self._half(node, opened))
        least = self._open[0].bound if self._open else np.inf
        self.bound = min(max(self.bound, min(least, self._line())), self.cost)

    def _root_node(self) -> _Node | None:
        forced = self._compact.indispensable()
        allowed = np.ones(len(self._compact.sites), np.bool_)
        if self.root is None:
            self.root = Relaxation(self._compact, forced, allowed, None, patience=_FIRST_PATIENCE)
            self._climb(self.root, _FIRST_STEPS)
        return self._node(self.root, forced, allowed, -np.inf)

    def _line(self) -> float:
        """Return the bound from which on a node is done with."""
        return self.cost - self._gap * abs(self.cost + self._compact.paid)

    def _keep(self, node: _Node | None) -> None:
        if node is not None:
            heapq.heappush(self._open, node)

    def _half(self, node: _Node, opened: bool) -> _Node | None:
        compact = self._compact
        forced, allowed = node.forced.copy(), node.allowed.copy()
        (forced if opened else allowed)[node.site] = opened
        units = compact.usable[:, allowed].sum(axis=1)
        if (units < compact.demand).any():
            return None
        others = units[:, None] - compact.usable
        forced |= any_by_column(others < compact.demand[:, None]) & allowed
        relaxation = Relaxation(
            compact, forced, allowed, node.multipliers, patience=_PATIENCE, covers=node.covers
        )
        self._climb(relaxation, _STEPS)
        return self._node(relaxation, forced, allowed, node.bound)

    def _climb(self, relaxation: Relaxation, steps: int) -> None:
        for _ in range(steps):
            relaxation.ascend(self.cost)
            self.work += relaxation.cells + _WORK_OF_A_STEP
            if relaxation.settled or relaxation.bound >= self._line():
                break
            if time.monotonic() > self._deadline:
                break

    def _node(
        self, relaxation: Relaxation, forced: BoolArray, allowed: BoolArray, floor: float
    ) -> _Node | None:
        """Return what is left of this node, or None if nothing is."""
        self.offer(relaxation.opened(len(self._compact.sites)))
        bound = max(relaxation.bound, floor)
        left = self._line() - relaxation.bound
        if left <= 0:
            return None
        undecided = relaxation.columns[~relaxation.forced]
        reduced = relaxation.reduced[~relaxation.forced]
        forced, allowed = forced.copy(), allowed.copy()
        allowed[undecided[reduced > left]] = False
        forced[undecided[reduced < -left]] = True
        doubt = np.where(np.abs(reduced) <= left, np.abs(reduced), np.inf)
        if not np.isfinite(doubt).any():
            # One set of sites is left, and its cost is known.
            self.offer(forced.astype(np.float64))
            return None
        site = int(undecided[doubt.argmin()])
        self._nodes += 1
        return _Node(bound, self._nodes, forced, allowed, site, relaxation.multipliers, relaxation.covers)

    def offer(self, subset: FloatArray) -> None:
        """Remember this plan if it is better."""
        cost = float(self._sets.of(self._sets.positions(subset)[None])[0])
        if cost < self.cost:
            self.subset, self.cost = subset, cost
