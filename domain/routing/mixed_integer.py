"""Large orders: the capacitated facility location program, given to HiGHS with a good plan to start from.

A variable a site (open or not) and one a SKU and site (units, capped by what is there if it is open: the
strong form, whose bound is tight). For a fixed choice of sites the cheapest fill is whole units, so that only
the sites have to be whole numbers.
"""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from domain.kernel.late import late
from domain.routing.compact import Compact, fill
from domain.routing.problem import Decision, FloatArray, IntArray, Problem
from domain.routing.programs import Program
from domain.routing.relaxation import Relaxation
from domain.routing.search import Search

if TYPE_CHECKING:
    from domain.routing.highs import run
else:
    run = late("domain.routing.highs:run")

_WORTHLESS_SECONDS = 0.05
_SHARE_OF_FIRST_ANSWER, _SHARE_OF_RELAXATION = 0.15, 0.25
_RELATIVE_GAP = 1e-6
_STEPS, _STEPS_BETWEEN_PLANS, _PATIENCE = 600, 100, 20


def solve(problem: Problem, compact: Compact, search: Search, short: IntArray, deadline: float) -> Decision:
    """Improve and prove what `search` has, until the deadline; its plan is the one to beat.

    A Lagrangian bound first settles the sites that it can: HiGHS gets the others. Plans are judged by their
    own exact cost, never by the solver's figures.
    """
    began = time.monotonic()
    if not search.nodes:
        limit = began + _SHARE_OF_FIRST_ANSWER * (deadline - began)
        search.first_answer(compact.indispensable(), rounds=60, deadline=limit)
    relaxation = _relax(compact, search, began + _SHARE_OF_RELAXATION * (deadline - began))
    bound = max(relaxation.bound, search.bound if search.nodes else -np.inf)
    best = _plan(problem, compact, search.subset)
    left = deadline - time.monotonic()
    if left > _WORTHLESS_SECONDS:
        core, settled = _unsettled(compact, relaxation, search.best)
        answer = run(
            _program(core), seconds=left, gap=_RELATIVE_GAP, start=_start(core, search.subset[settled])
        )
        # What was settled could only be otherwise in a plan no better than the one at hand.
        bound = max(bound, min(answer.bound + core.paid - compact.paid, search.best))
        if answer.values is not None:
            subset = np.zeros(len(compact.sites))
            subset[settled] = answer.values[: len(settled)] > 0.5
            other = _plan(problem, compact, subset)
            if other.short.sum() == short.sum() and other.total < best.total:
                best = other
    floor = bound + compact.paid
    total = best.total
    proven = floor >= total - _RELATIVE_GAP * abs(total)
    bound = total if proven else min(floor, total)
    return Decision(best.allocation, best.cost, best.price, bound, proven, short, "highs")


def _relax(compact: Compact, search: Search, deadline: float) -> Relaxation:
    forced, allowed = compact.indispensable(), np.ones(len(compact.sites), np.bool_)
    relaxation = Relaxation(compact, forced, allowed, None, patience=_PATIENCE)
    for step in range(1, _STEPS + 1):
        relaxation.ascend(search.best)
        if step % _STEPS_BETWEEN_PLANS == 0:
            search.plan_from(relaxation, forced, allowed)
        if relaxation.settled or relaxation.bound >= search.best or time.monotonic() > deadline:
            break
    return relaxation


def _unsettled(compact: Compact, relaxation: Relaxation, best: float) -> tuple[Compact, IntArray]:
    """Return the problem without sites surely closed, those surely open for nothing, and its columns."""
    gap = max(best - relaxation.bound, 0.0)
    surely_open = relaxation.forced | (relaxation.reduced < -gap)
    kept = np.flatnonzero(surely_open | (relaxation.reduced <= gap))
    free = surely_open[kept]
    fixed = compact.fixed[kept]
    core = replace(
        compact,
        sites=compact.sites[kept],
        usable=compact.usable[:, kept],
        unit=compact.unit[:, kept],
        fixed=np.where(free, 0.0, fixed),
        paid=compact.paid + float(fixed[free].sum()),
    )
    return core, kept


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
    """Return the variables of the plan with these sites; not a solution if one of its sites was left out."""
    skus, columns = np.nonzero(compact.usable)
    order = np.argsort(compact.unit, axis=1, kind="stable")
    offered = np.take_along_axis(compact.usable * subset, order, axis=1)
    served = np.minimum(np.cumsum(offered, axis=1), compact.demand[:, None])
    served[:, 1:] -= served[:, :-1].copy()
    units = np.empty_like(served)
    np.put_along_axis(units, order, served, axis=1)
    return np.concatenate([subset, units[skus, columns] / compact.usable[skus, columns]])


def optimum(problem: Problem, *, seconds: float = 60.0) -> float:
    """Return the least sum of cost and stock prices, by HiGHS alone at zero gap: the judge of the search.

    Infinite where HiGHS finds nothing in time.
    """
    compact = Compact.of(problem)
    if not len(compact.skus):
        return 0.0
    answer = run(_program(compact), seconds=seconds)
    if answer.values is None:
        return float("inf")
    return _plan(problem, compact, (answer.values[: len(compact.sites)] > 0.5).astype(np.float64)).total
