"""Why each site is in the plan or not: what it lacks, and how much dearer a plan with it would be."""

from dataclasses import dataclass

import numpy as np

from domain.routing.compact import Compact
from domain.routing.problem import BoolArray, Decision, FloatArray, Problem, any_by_column
from domain.routing.subset_costs import SubsetCosts

EXACT_SITES = 8
"""Sites having something up to which every set of them is priced, so that all differences are exact."""
_CELLS = 4_000_000
"""Most numbers held at once."""
_MOST_CELLS = 40_000_000
"""Most numbers looked at for one explanation: some tenths of a second."""


@dataclass(frozen=True, slots=True)
class SiteReason:
    """What speaks for or against one site."""

    site: int
    """Its column."""
    used: bool
    extra_cost: float | None
    """How much more (cost and stock prices) the best plan found costs that pays for a parcel from this site,
    never less than the truth; 0 for a site that is used, None for one that has nothing. Below zero where the
    decision is not the best one."""
    missing: tuple[int, ...]
    """SKU rows that it cannot serve in full."""
    empty: bool
    """Whether it has none of what is needed."""
    exact: bool
    """Whether no plan with a parcel from this site is cheaper than `extra_cost` says."""


def explain(problem: Problem, decision: Decision) -> tuple[SiteReason, ...]:
    """Return a reason for each site, by column.

    `extra_cost` compares the decision with the best of these plans with the site: the plan plus the site, the
    site in the place of each other (of some where there are very many), the site alone; and, up to
    `EXACT_SITES` sites that have something, every plan. It is never below the truth, and it is the truth
    where `exact`. A plan with the site pays for a parcel from it, even if nothing is cheaper to take there.
    """
    usable = problem.usable()
    used = any_by_column(decision.allocation)
    has = any_by_column(usable)
    lacks = usable < problem.demand[:, None]
    extra, exact = _extra_costs(problem, decision, used)
    rows, columns = np.nonzero(lacks.T)
    bounds = np.searchsorted(rows, np.arange(usable.shape[1] + 1)).tolist()
    skus = columns.tolist()
    return tuple(
        SiteReason(
            site=site,
            used=is_used,
            extra_cost=cost if has_some else None,
            missing=tuple(skus[bounds[site] : bounds[site + 1]]),
            empty=not has_some,
            exact=exact or is_used or not has_some,
        )
        for site, (is_used, has_some, cost) in enumerate(
            zip(used.tolist(), has.tolist(), extra.tolist(), strict=True)
        )
    )


def _extra_costs(problem: Problem, decision: Decision, used: BoolArray) -> tuple[FloatArray, bool]:
    """Return (sites,) extra costs, meaningless where a site has nothing, and whether all are exact."""
    extra = np.zeros(problem.supply.shape[1])
    compact = Compact.of(problem)
    opened = used[compact.sites]
    others = np.flatnonzero(~opened)
    if not len(others) or not opened.any():
        return extra, True
    total = decision.total - compact.paid
    costs = SubsetCosts(compact)
    exact = len(compact.sites) <= EXACT_SITES
    if exact:
        subsets = _all_sets(len(compact.sites))
        prices = costs.of(subsets)
        dearer = np.where(subsets[:, others] > 0, prices[:, None], np.inf).min(axis=0)
    else:
        dearer = _neighbours(costs, opened.astype(np.float64), others)
    # Rounding must not make a site look cheaper than the best plan.
    least = 0.0 if decision.proven else -np.inf
    extra[compact.sites[others]] = np.maximum(dearer - total, least)
    return extra, exact


def _all_sets(sites: int) -> FloatArray:
    patterns = (np.arange(1, 1 << sites)[:, None] >> np.arange(sites)) & 1
    return patterns.astype(np.float64)


def _neighbours(costs: SubsetCosts, opened: FloatArray, others: np.ndarray) -> FloatArray:
    """Return for each other site the best of: added, in the place of one that is open, alone."""
    size = costs.compact.usable.size
    # Of very large plans only the smallest parcels are tried in the place of another site.
    most = max(1, _MOST_CELLS // (size * len(others)) - 2)
    replaced = np.flatnonzero(opened)
    replaced = replaced[np.argsort(costs.compact.usable[:, replaced].sum(axis=0), kind="stable")[:most]]
    kinds = len(replaced) + 2
    cells = size * kinds
    some = max(1, _CELLS // cells)
    best = np.empty(len(others))
    for start in range(0, len(others), some):
        sites = others[start : start + some]
        sets = np.tile(opened, (len(sites), kinds, 1))
        sets[:, np.arange(len(replaced)), replaced] = 0
        sets[:, kinds - 1, :] = 0
        sets[np.arange(len(sites)), :, sites] = 1
        prices = costs.of(sets.reshape(-1, len(opened)))
        best[start : start + some] = prices.reshape(len(sites), kinds).min(axis=1)
    return best
