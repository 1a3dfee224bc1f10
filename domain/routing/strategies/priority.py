"""By the shop's own order of sites: each SKU from the first sites that have it."""

import numpy as np

from domain.routing.problem import Decision, Problem
from domain.routing.strategies.base import SiteFacts, serve_in_order


class Priority:
    """What the shop put first serves first, whatever it costs."""

    name = "priority"

    def decide(self, problem: Problem, sites: SiteFacts, *, time_limit_seconds: float = 10.0) -> Decision:
        """Return the plan of the shop's order."""
        rank = np.asarray(sites.priority, np.float64)
        return serve_in_order(problem, rank, self.name, time_limit_seconds)
