"""As few parcels as can be, and among those plans the cheapest."""

from dataclasses import replace

from domain.routing.deciding import decide
from domain.routing.problem import MAX_COST, Decision, Problem
from domain.routing.strategies.base import SiteFacts


class FewestParcels:
    """One parcel where one site has everything; otherwise the fewest possible."""

    name = "fewest_parcels"

    def decide(self, problem: Problem, sites: SiteFacts, *, time_limit_seconds: float = 10.0) -> Decision:
        """Return the cheapest plan of those with the fewest parcels (proven unless the time limit strikes).

        A parcel more is made dearer than anything that it could save. The bound is the cheapest plan's.
        """
        saved = float(problem.opening_cost.sum())
        if problem.unit_cost.size:
            spread = problem.weighed_cost.max(axis=1) - problem.weighed_cost.min(axis=1)
            saved += float((spread * problem.demand).sum())
        dearer = replace(problem, split_penalty=min(problem.split_penalty + saved + 1.0, MAX_COST))
        plan = decide(dearer, time_limit_seconds=time_limit_seconds)
        cost, price = problem.cost_of(plan.allocation), problem.price_of(plan.allocation)
        best = decide(problem, time_limit_seconds=time_limit_seconds)
        proven = best.proven and best.total >= cost + price - 1e-9 * abs(cost + price)
        bound = cost + price if proven else min(best.bound, cost + price)
        return Decision(plan.allocation, cost, price, bound, proven, plan.short, self.name)
