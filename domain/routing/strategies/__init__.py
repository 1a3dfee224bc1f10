"""The ways to choose a plan that a shop can pick from, each a file, looked up by name.

To add one: a file beside `cheapest.py` with a class of `base.Strategy`, and its name below.
"""

from domain.routing.strategies.base import SiteFacts, Strategy
from domain.routing.strategies.cheapest import Cheapest
from domain.routing.strategies.fewest_parcels import FewestParcels
from domain.routing.strategies.nearest import Nearest
from domain.routing.strategies.priority import Priority

__all__ = ["DEFAULT", "STRATEGIES", "SiteFacts", "Strategy", "strategy_named"]

DEFAULT = "cheapest"

STRATEGIES: dict[str, Strategy] = {
    one.name: one for one in (Cheapest(), Priority(), Nearest(), FewestParcels())
}


def strategy_named(name: str) -> Strategy:
    """Return the strategy of this name.

    Raises:
        ValueError: there is none.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        raise ValueError(f"no routing strategy is named {name!r}: {', '.join(STRATEGIES)}") from None
