"""Exact search: a bound, the few sets of sites that it cannot exclude, and branching where they are many.

At each node: raise the bound; read off plans; exclude what the bound excludes; price every remaining set of
sites in one go if they are few; otherwise branch on the site that the bound is least sure of.
"""

import time

import numpy as np

from domain.routing.compact import Compact
from domain.routing.first_answers import greedy_cover, improve
from domain.routing.problem import BoolArray, FloatArray, any_by_column
from domain.routing.relaxation import Relaxation
from domain.routing.subset_costs import SubsetCosts

PRECISION = 1e-9
"""Plans this close to each other, relative to their cost, are equally good."""

_ENUMERATED = 8
"""Undecided sites up to which every set is priced without a bound."""
_MOST_SETS = 16_384
_WORTHWHILE_SETS = 1_024
_SMALL = 1_000
"""Cells (SKUs x sites) up to which the bound gets fewer steps."""
_STEPS_SMALL, _STEPS_LARGE = 30, 100
_STEPS_BETWEEN_LOOKS = 10
_FIXED_WORTH_A_RESTART = 3


class Search:
    """Best set of sites of a compact problem, and a proven bound when stopped early."""

    def __init__(self, compact: Compact, *, deadline: float, most_nodes: int = 2_000) -> None:
        self._compact = compact
        self._costs = SubsetCosts(compact)
        self._sites = len(compact.sites)
        self._deadline = deadline
        self._most_nodes = most_nodes
        self._steps = _STEPS_SMALL if compact.usable.size <= _SMALL else _STEPS_LARGE
        self._unproven = np.inf
        self.nodes = 0
        self.best = np.inf
        """Cost of the best plan so far, without what is paid anyhow."""
        self.subset: FloatArray = np.ones(self._sites)
        """Its sites, as zeros and ones."""

    @property
    def bound(self) -> float:
        """What no plan undercuts."""
        return min(self.best, self._unproven)

    @property
    def proven(self) -> bool:
        """Whether nothing was left out."""
        return self._unproven >= self.best - self._tolerance

    @property
    def _tolerance(self) -> float:
        return PRECISION * (abs(self.best) + abs(self._compact.paid)) if self.best < np.inf else 0.0

    def offer(self, subset: FloatArray, cost: float) -> None:
        """Remember this plan if it is better."""
        if cost < self.best:
            self.best, self.subset = cost, subset

    def first_answer(self, forced: BoolArray, *, rounds: int, deadline: float) -> None:
        """Find a good plan without a proof."""
        subset = greedy_cover(self._compact, forced).astype(np.float64)
        cost = self._costs.of_one(subset)
        self.offer(*improve(self._costs, subset, cost, ~forced, rounds=rounds, deadline=deadline))

    def run(self) -> None:
        """Find the best plan and prove it, within the limits."""
        forced = self._compact.indispensable()
        if self._sites - int(forced.sum()) > _ENUMERATED:
            large = self._compact.usable.size > 2 * _SMALL
            half_time = (time.monotonic() + self._deadline) / 2
            self.first_answer(forced, rounds=30 if large else 8, deadline=half_time)
        stack: list[tuple[BoolArray, BoolArray, FloatArray | None]] = [
            (forced, np.ones(self._sites, np.bool_), None)
        ]
        while stack:
            stack.extend(self._node(*stack.pop()))

    def _node(
        self, forced: BoolArray, allowed: BoolArray, start: FloatArray | None
    ) -> list[tuple[BoolArray, BoolArray, FloatArray | None]]:
        """Settle all sets between `forced` and `allowed`, or return two halves to look at."""
        self.nodes += 1
        fixed_before = 0
        while True:
            if not self._can_serve(allowed):
                return []
            forced = forced | self._needed(allowed)
            free = np.flatnonzero(allowed & ~forced)
            if len(free) <= _ENUMERATED:
                self._price_all(forced, free, _patterns(len(free)))
                return []
            relaxation = self._relax(forced, allowed, start)
            gap = self.best - self._tolerance - relaxation.bound
            if gap <= 0:
                return []
            undecided = relaxation.columns[~relaxation.forced]
            reduced = relaxation.reduced[~relaxation.forced]
            patterns = _patterns_within(reduced, gap)
            if patterns is not None:
                self._price_all(forced, undecided, patterns)
                return []
            if self.nodes >= self._most_nodes or time.monotonic() > self._deadline:
                self._unproven = min(self._unproven, relaxation.bound)
                return []
            surely_closed, surely_open = undecided[reduced > gap], undecided[reduced < -gap]
            allowed, forced = allowed.copy(), forced.copy()
            allowed[surely_closed], forced[surely_open] = False, True
            start = relaxation.multipliers
            fixed = len(surely_closed) + len(surely_open)
            if fixed < _FIXED_WORTH_A_RESTART or fixed == fixed_before:
                break
            fixed_before = fixed
        return self._branch(forced, allowed, start, relaxation)

    def _branch(
        self, forced: BoolArray, allowed: BoolArray, start: FloatArray, relaxation: Relaxation
    ) -> list[tuple[BoolArray, BoolArray, FloatArray | None]]:
        doubt = np.full(self._sites, np.inf)
        doubt[relaxation.columns] = np.abs(relaxation.reduced) / (
            self._compact.fixed[relaxation.columns] + 1e-12
        )
        doubt[forced | ~allowed] = np.inf
        site = int(doubt.argmin())
        opened, closed = forced.copy(), allowed.copy()
        opened[site], closed[site] = True, False
        # The last is looked at first: with the site open there soon is a better plan.
        return [(forced, closed, start), (opened, allowed, start)]

    def _relax(self, forced: BoolArray, allowed: BoolArray, start: FloatArray | None) -> Relaxation:
        """Raise the bound until it excludes everything or leaves few enough sets to price."""
        relaxation = Relaxation(self._compact, forced, allowed, start)
        free = ~relaxation.forced
        for step in range(1, self._steps + 1):
            relaxation.ascend(self.best)
            if relaxation.settled or relaxation.bound >= self.best - self._tolerance:
                break
            if step % _STEPS_BETWEEN_LOOKS:
                continue
            if step % (2 * _STEPS_BETWEEN_LOOKS) == 0 or step == self._steps:
                self.plan_from(relaxation, forced, allowed)
            gap = self.best - self._tolerance - relaxation.bound
            if _count_within(relaxation.reduced[free], gap) <= _WORTHWHILE_SETS:
                break
            if time.monotonic() > self._deadline:
                break
        return relaxation

    def plan_from(self, relaxation: Relaxation, forced: BoolArray, allowed: BoolArray) -> None:
        """Complete and improve the plan that the bound suggests."""
        subset = relaxation.opened(self._sites)
        cost = self._costs.of_one(subset)
        if cost == np.inf:
            subset = greedy_cover(self._compact, subset > 0).astype(np.float64)
            subset[~allowed] = 0
            cost = self._costs.of_one(subset)
        free = allowed & ~forced
        self.offer(*improve(self._costs, subset, cost, free, rounds=2, deadline=self._deadline))

    def _price_all(self, forced: BoolArray, undecided: np.ndarray, patterns: BoolArray) -> None:
        subsets = np.zeros((len(patterns), self._sites))
        subsets[:, forced] = 1
        subsets[:, undecided] = patterns
        prices = self._costs.of(subsets)
        best = int(prices.argmin())
        self.offer(subsets[best], float(prices[best]))

    def _can_serve(self, allowed: BoolArray) -> bool:
        usable = self._compact.usable[:, allowed].sum(axis=1)
        return bool((usable >= self._compact.demand).all())

    def _needed(self, allowed: BoolArray) -> BoolArray:
        """Return which of these sites cannot be spared."""
        usable = self._compact.usable
        others = usable[:, allowed].sum(axis=1)[:, None] - usable
        return any_by_column(others < self._compact.demand[:, None]) & allowed


def _patterns(count: int) -> BoolArray:
    """Return every pattern of this many switches, one a row."""
    patterns: BoolArray = (np.arange(1 << count)[:, None] >> np.arange(count)) & 1 == 1
    return patterns


def _patterns_within(reduced: FloatArray, gap: float) -> BoolArray | None:
    """Return the patterns whose deviation from the bound's own adds up to at most `gap`; None if too many."""
    deviation = np.abs(reduced)
    sums = np.zeros(1)
    flips = np.zeros((1, len(reduced)), np.bool_)
    for site in np.argsort(-deviation, kind="stable"):
        more = sums + deviation[site]
        within = more <= gap
        if within.any():
            flipped = flips[within].copy()
            flipped[:, site] = True
            flips = np.concatenate([flips, flipped])
            sums = np.concatenate([sums, more[within]])
            if len(sums) > _MOST_SETS:
                return None
    patterns: BoolArray = flips ^ (reduced < 0)
    return patterns


def _count_within(reduced: FloatArray, gap: float) -> int:
    """Return how many patterns deviate by at most `gap`, or a number above those worth pricing."""
    deviation = np.abs(reduced)
    deviation = np.sort(deviation[deviation <= gap])[::-1]
    if len(deviation) <= 4:
        return int(1 << len(deviation))
    sums = np.zeros(1)
    for one in deviation:
        more = sums + one
        sums = np.concatenate([sums, more[more <= gap]])
        if len(sums) > _WORTHWHILE_SETS:
            break
    return len(sums)
