"""Decide one order: the cheapest plan over the stock it may use, with a proof or a stated bound."""

import time

import numpy as np

from domain.routing.compact import Compact, fill
from domain.routing.large import decide_large
from domain.routing.problem import Decision, IntArray, Problem
from domain.routing.search import Search

SEARCHED_SITES = 40
"""Undecided sites up to which the exact search is used; above, `large`."""


def decide(problem: Problem, *, time_limit_seconds: float = 10.0) -> Decision:
    """Return the plan with the least sum of cost and stock prices.

    Up to `SEARCHED_SITES` undecided sites (those that have something, without those that no plan can do
    without) the plan is proven best. Above, or where the time limit strikes first, `bound` and `gap` say how
    good it is. The same problem gets the same decision, unless the time limit strikes. Among equally good
    single sites and for equally dear units the first columns are taken.
    """
    deadline = time.monotonic() + time_limit_seconds
    compact = Compact.of(problem)
    short = problem.demand - problem.usable().sum(axis=1)
    short = np.maximum(short, 0)
    if not len(compact.skus):
        nothing = np.zeros_like(problem.supply)
        return Decision(nothing, 0.0, 0.0, 0.0, True, short, "single_site")
    site, alone, apart = _single_site(compact)
    if apart >= alone:
        return _proven(problem, compact, _only(compact, site), short, "single_site")
    undecided = len(compact.sites) - int(compact.indispensable().sum())
    search = Search(compact, deadline=deadline)
    if alone < np.inf:
        search.offer(_only(compact, site), alone)
    bound = -np.inf
    if undecided <= SEARCHED_SITES:
        search.run()
        if search.proven:
            return _proven(problem, compact, search.subset, short, "search")
        bound = search.bound
    known = search.subset if search.best < np.inf else None
    return decide_large(problem, compact, known, bound, short, deadline)


def _single_site(compact: Compact) -> tuple[int, float, float]:
    """Return the best site that can serve alone, its cost, and what more than one parcel costs at least."""
    full = (compact.usable >= compact.demand[:, None]).all(axis=0)
    alone = np.where(full, compact.fixed + compact.demand @ compact.unit, np.inf)
    site = int(alone.argmin())
    two_parcels = float(np.sort(compact.fixed)[:2].sum()) if len(compact.fixed) > 1 else np.inf
    best = float(alone[site])
    return site, best, two_parcels if best < np.inf else -np.inf


def _only(compact: Compact, site: int) -> np.ndarray:
    subset = np.zeros(len(compact.sites))
    subset[site] = 1
    return subset


def _proven(problem: Problem, compact: Compact, subset: np.ndarray, short: IntArray, method: str) -> Decision:
    open_sites = np.zeros(problem.supply.shape[1], np.bool_)
    open_sites[compact.sites[subset > 0]] = True
    allocation = fill(problem, open_sites)
    cost, price = problem.cost_of(allocation), problem.price_of(allocation)
    return Decision(allocation, cost, price, cost + price, True, short, method)
