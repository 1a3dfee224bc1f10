"""The rules a shop can choose from instead of the cheapest plan."""

import numpy as np
import pytest

from domain.routing.problem import Problem
from domain.routing.strategies import DEFAULT, STRATEGIES, SiteFacts, strategy_named

ORDER = Problem(
    np.array([2, 3]),
    np.array([[2, 2, 2], [0, 1, 3]]),
    np.array([1.0, 1.0, 9.0]),
    np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]),
)
FACTS = SiteFacts(priority=np.array([2, 1, 3]), distance=np.array([5.0, np.inf, 1.0]))


def test_the_default_is_the_cheapest() -> None:
    decision = strategy_named(DEFAULT).decide(ORDER, FACTS)

    assert decision.allocation.tolist() == [[2, 0, 0], [0, 0, 3]]
    assert decision.cost == 21.0


def test_by_priority_the_first_site_gives_what_it_has_and_the_next_the_rest() -> None:
    decision = strategy_named("priority").decide(ORDER, FACTS)

    assert decision.allocation.tolist() == [[0, 2, 0], [0, 1, 2]]
    assert (decision.cost, decision.method) == (22.0, "priority")


def test_by_distance_the_nearest_gives_what_it_has() -> None:
    decision = strategy_named("nearest").decide(ORDER, FACTS)

    assert decision.allocation.tolist() == [[0, 0, 2], [0, 0, 3]]


def test_the_fewest_parcels_are_sent_even_where_more_are_cheaper() -> None:
    cheap_split = Problem(
        np.array([2, 3]), np.array([[2, 0, 2], [0, 3, 3]]), np.array([1.0, 1.0, 9.0]), ORDER.unit_cost
    )

    assert strategy_named("cheapest").decide(cheap_split, FACTS).cost == 10.0
    decision = strategy_named("fewest_parcels").decide(cheap_split, FACTS)
    assert decision.allocation.tolist() == [[0, 0, 2], [0, 0, 3]]
    assert (decision.cost, decision.bound, decision.proven) == (24.0, 10.0, False)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="priority"):
        strategy_named("highest_stock")
    assert {name: one.name for name, one in STRATEGIES.items()} == {name: name for name in STRATEGIES}
