"""The capacitated facility location program, given to HiGHS: the last resort of large orders, and the judge.

A variable a site (open or not) and one a SKU and site (units, capped by what is there if it is open: the
strong form, whose bound is tight). For a fixed choice of sites the cheapest fill is whole units, so that only
the sites have to be whole numbers.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from domain.kernel.late import late
from domain.routing.compact import Compact, fill
from domain.routing.problem import FloatArray, IntArray, Problem
from domain.routing.programs import Program
from domain.routing.relaxation import Relaxation

if TYPE_CHECKING:
    from domain.routing.highs import run
else:
    run = late("domain.routing.highs:run")

_RELATIVE_GAP = 1e-6


def finish(
    compact: Compact, root: Relaxation, subset: FloatArray, cost: float, seconds: float
) -> tuple[FloatArray | None, float]:
    """Look for a better plan than `subset` (zeros and ones over the sites, at its cost) and raise its bound.

    The sites that the bound at the `root` settles are left out: HiGHS gets the others. Returns the sites of
    the plan found, if any, and what no plan undercuts, without what is paid anyhow.
    """
    core, settled = _unsettled(compact, root, cost)
    answer = run(_program(core), seconds=seconds, gap=_RELATIVE_GAP, start=_start(core, subset[settled]))
    # What was settled could only be otherwise in a plan no better than the one at hand.
    bound = max(root.bound, min(answer.bound + core.paid - compact.paid, cost))
    if answer.values is None:
        return None, bound
    found = np.zeros(len(compact.sites))
    found[settled] = answer.values[: len(settled)] > 0.5
    return found, bound


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
    open_sites = np.zeros(problem.supply.shape[1], np.bool_)
    open_sites[compact.sites[answer.values[: len(compact.sites)] > 0.5]] = True
    allocation = fill(problem, open_sites)
    return problem.cost_of(allocation) + problem.price_of(allocation)
