"""Large orders: a very good plan by local search, and a proven bound by branching down to a small gap.

Costs that follow distance are done by that. Where they follow nothing the bound is weak, and what is left of
the time is HiGHS's, whose cutting planes tighten it.
"""

import time

import numpy as np

from domain.routing.branching import Branching
from domain.routing.compact import Compact, fill
from domain.routing.first_answers import greedy_cover
from domain.routing.local_search import good_plan
from domain.routing.mixed_integer import finish
from domain.routing.open_sets import OpenSets
from domain.routing.problem import Decision, FloatArray, IntArray, Problem

GAP = 0.005
"""Share of its cost by which a large order's plan may be too dear: what is worked for first."""
METHOD = "branch_and_bound"
_PRECISION = 1e-9
_FAR = 0.01
"""Gap from which on branching is given up for HiGHS."""
_WORK_OF_A_TRY = 1_200_000_000
"""Numbers looked at before that: about two seconds."""
_WORTHLESS_SECONDS = 0.05
_WORK_OF_A_PROOF = 1_000_000_000
"""Numbers looked at in all for a full proof: a few seconds, after which the gap has to do."""


def decide_large(
    problem: Problem,
    compact: Compact,
    known: FloatArray | None,
    bound: float,
    short: IntArray,
    deadline: float,
) -> Decision:
    """Return a plan within `GAP` of the best where the deadline allows, proven best where that takes little.

    Args:
        problem: the order.
        compact: its core.
        known: a plan (zeros and ones over the core's sites) to start from; None: a greedy one.
        bound: what no plan undercuts as far as is known, without what is paid anyhow.
        short: (skus,) units that nobody has.
        deadline: by the monotonic clock. The same order gets the same decision unless it strikes.
    """
    sets = OpenSets(compact)
    starts = [greedy_cover(compact, compact.indispensable()).astype(np.float64)]
    if known is not None:
        starts.append(known)
    costs = [float(sets.of(sets.positions(one)[None])[0]) for one in starts]
    first = int(np.argmin(costs))
    subset, cost = good_plan(compact, starts[first], costs[first], deadline)
    branching = Branching(compact, subset, cost, deadline)
    branching.run(GAP, _WORK_OF_A_TRY)
    method = METHOD
    if branching.gap() > _FAR:
        method = _finish(compact, branching, deadline)
    elif branching.gap() > GAP:
        branching.run(GAP, None)
    if branching.gap() > _PRECISION:
        branching.run(_PRECISION, _WORK_OF_A_PROOF)
    open_sites = np.zeros(problem.supply.shape[1], np.bool_)
    open_sites[compact.sites[branching.subset > 0]] = True
    allocation = fill(problem, open_sites)
    cost, price = problem.cost_of(allocation), problem.price_of(allocation)
    floor, total = max(bound, branching.bound) + compact.paid, cost + price
    proven = floor >= total - 2 * _PRECISION * (abs(total) + abs(compact.paid))
    stated = total if proven else min(floor, total)
    return Decision(allocation, cost, price, stated, proven, short, method)


def _finish(compact: Compact, branching: Branching, deadline: float) -> str:
    """Let HiGHS use the time that is left; say who decided."""
    seconds = deadline - time.monotonic()
    if branching.root is None or seconds < _WORTHLESS_SECONDS:
        return METHOD
    found, bound = finish(compact, branching.root, branching.subset, branching.cost, seconds)
    if found is not None:
        branching.offer(found)
    branching.bound = min(max(branching.bound, bound), branching.cost)
    return "highs"
