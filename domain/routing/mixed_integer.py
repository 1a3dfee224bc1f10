"""Large orders: the capacitated facility location program, given to HiGHS with a good plan to start from.

A variable a site (open or not) and one a SKU and site (units, capped by what is there if it is open: the
strong form, whose bound is tight). For a fixed choice of sites the cheapest fill is whole units, so that only
the sites have to be whole numbers.
"""

import time

import numpy as np

from domain.routing.compact import Compact, fill
from domain.routing.highs import Program, run
from domain.routing.problem import Decision, FloatArray, IntArray, Problem
from domain.routing.search import PRECISION, Search

_WORTHLESS_SECONDS = 0.05
_SHARE_OF_FIRST_ANSWER = 0.3
_RELATIVE_GAP = 1e-6


def solve(problem: Problem, compact: Compact, search: Search, short: IntArray, deadline: float) -> Decision:
    """Improve and prove what `search` has, until the deadline; its plan is the one to beat.

    The bound is the better one of the search's and HiGHS's. Plans are judged by their own exact cost, never
    by the solver's figures.
    """
    if search.best == np.inf or not search.nodes:
        left = deadline - time.monotonic()
        half = time.monotonic() + _SHARE_OF_FIRST_ANSWER * left
        search.first_answer(compact.indispensable(), rounds=60, deadline=half)
    bound = search.bound if search.nodes else -np.inf
    best = _plan(problem, compact, search.subset)
    left = deadline - time.monotonic()
    if left > _WORTHLESS_SECONDS:
        answer = run(_program(compact), seconds=left, gap=_RELATIVE_GAP, start=_start(compact, search.subset))
        bound = max(bound, answer.bound)
        if answer.values is not None:
            opened = (answer.values[: len(compact.sites)] > 0.5).astype(np.float64)
            other = _plan(problem, compact, opened)
            if other.short.sum() == short.sum() and other.total < best.total:
                best = other
    floor = bound + compact.paid
    total = best.total
    proven = floor >= total - max(_RELATIVE_GAP, PRECISION) * abs(total)
    return Decision(
        best.allocation, best.cost, best.price, total if proven else min(floor, total), proven, short, "highs"
    )


def _plan(problem: Problem, compact: Compact, subset: FloatArray) -> Decision:
    open_sites = np.zeros(problem.supply.shape[1], np.bool_)
    open_sites[compact.sites[subset > 0]] = True
    allocation = fill(problem, open_sites)
    unserved = problem.demand - allocation.sum(axis=1)
    return Decision(
        allocation,
        problem.cost_of(allocation),
        problem.price_of(allocation),
        -np.inf,
        False,
        unserved,
        "highs",
    )


def _program(compact: Compact) -> Program:
    skus, columns = np.nonzero(compact.usable)
    sites, pairs, demands = len(compact.sites), len(skus), len(compact.skus)
    most = compact.usable[skus, columns]
    pair = np.arange(pairs)
    # Shares of what is there instead of units: numbers of one size, whatever the quantities.
    return Program(
        cost=np.concatenate([compact.fixed, compact.unit[skus, columns] * most]),
        most=np.ones(sites + pairs),
        lower=np.concatenate([np.ones(demands), np.full(pairs, -np.inf)]),
        upper=np.concatenate([np.ones(demands), np.zeros(pairs)]),
        rows=np.concatenate([skus, demands + pair, demands + pair]),
        columns=np.concatenate([sites + pair, sites + pair, columns]),
        values=np.concatenate([most / compact.demand[skus], np.ones(pairs), -np.ones(pairs)]),
        whole=np.concatenate([np.ones(sites, np.bool_), np.zeros(pairs, np.bool_)]),
    )


def _start(compact: Compact, subset: FloatArray) -> FloatArray:
    skus, columns = np.nonzero(compact.usable)
    order = np.argsort(compact.unit, axis=1, kind="stable")
    offered = np.take_along_axis(compact.usable * subset, order, axis=1)
    served = np.minimum(np.cumsum(offered, axis=1), compact.demand[:, None])
    served[:, 1:] -= served[:, :-1].copy()
    units = np.empty_like(served)
    np.put_along_axis(units, order, served, axis=1)
    return np.concatenate([subset, units[skus, columns] / compact.usable[skus, columns]])
