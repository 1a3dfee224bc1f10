"""What a strategy is handed and has to return."""

from dataclasses import dataclass
from typing import Protocol

from domain.routing.compact import fill
from domain.routing.deciding import decide
from domain.routing.problem import Decision, FloatArray, IntArray, Problem, any_by_column


@dataclass(frozen=True, slots=True, eq=False)
class SiteFacts:
    """What strategies other than the default go by, one entry a site (column)."""

    priority: IntArray
    """The shop's order: the smallest goes first."""
    distance: FloatArray
    """To the address, in any unit; infinite where unknown."""


class Strategy(Protocol):
    """A way to choose a plan."""

    @property
    def name(self) -> str:
        """What a shop's settings call it."""

    def decide(self, problem: Problem, sites: SiteFacts, *, time_limit_seconds: float = 10.0) -> Decision:
        """Return a plan for the problem; what nobody has is `short`, never refused."""


def serve_in_order(problem: Problem, rank: FloatArray, name: str, time_limit_seconds: float) -> Decision:
    """Let each SKU be served by the first sites of this rank (equal ones by column) that have it.

    The bound is the cheapest plan's, so that the decision's gap tells what the rule costs.
    """
    ranked = Problem(
        problem.demand, problem.supply, problem.opening_cost,
        _positions(rank)[None, :].repeat(len(problem.demand), axis=0),
    )  # fmt: skip
    allocation = fill(ranked, any_by_column(problem.supply))
    cost, price = problem.cost_of(allocation), problem.price_of(allocation)
    best = decide(problem, time_limit_seconds=time_limit_seconds)
    proven = best.proven and best.total >= cost + price - 1e-9 * abs(cost + price)
    bound = cost + price if proven else min(best.bound, cost + price)
    return Decision(allocation, cost, price, bound, proven, best.short, name)


def _positions(rank: FloatArray) -> FloatArray:
    positions = rank.argsort(kind="stable").argsort(kind="stable")
    return positions.astype(float)
