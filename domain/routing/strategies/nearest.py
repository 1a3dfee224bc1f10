"""By distance: each SKU from the nearest sites that have it."""

import numpy as np

from domain.routing.problem import Decision, Problem
from domain.routing.strategies.base import SiteFacts, serve_in_order


class Nearest:
    """What is nearest serves first, in as many parcels as that takes."""

    name = "nearest"

    def decide(self, problem: Problem, sites: SiteFacts, *, time_limit_seconds: float = 10.0) -> Decision:
        """Return the plan of the shortest ways."""
        rank = np.asarray(sites.distance, np.float64)
        return serve_in_order(problem, rank, self.name, time_limit_seconds)
