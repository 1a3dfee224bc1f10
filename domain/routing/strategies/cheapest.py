"""The default: the least cost, proven."""

from domain.routing.deciding import decide
from domain.routing.problem import Decision, Problem
from domain.routing.strategies.base import SiteFacts


class Cheapest:
    """The plan with the least sum of cost and stock prices."""

    name = "cheapest"

    def decide(self, problem: Problem, sites: SiteFacts, *, time_limit_seconds: float = 10.0) -> Decision:
        """Return the best plan; facts about sites other than their costs do not count."""
        return decide(problem, time_limit_seconds=time_limit_seconds)
