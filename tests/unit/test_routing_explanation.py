"""Why a site is in the plan or not."""

import numpy as np
import pytest

from domain.routing.deciding import decide
from domain.routing.explanation import EXACT_SITES, SiteReason, explain
from domain.routing.problem import Problem
from domain.routing.strategies import SiteFacts, strategy_named
from tests.routings import wide_problem

SMALL = Problem(
    np.array([2, 1]),
    np.array([[5, 2, 1, 0], [5, 1, 0, 0]]),
    np.array([4.0, 5.0, 1.0, 1.0]),
    np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]),
)


def test_each_site_is_told_what_it_lacks_and_what_it_would_cost_more() -> None:
    assert explain(SMALL, decide(SMALL)) == (
        SiteReason(0, used=True, extra_cost=0.0, missing=(), empty=False, exact=True),
        SiteReason(1, used=False, extra_cost=1.0, missing=(), empty=False, exact=True),
        SiteReason(2, used=False, extra_cost=1.0, missing=(0, 1), empty=False, exact=True),
        SiteReason(3, used=False, extra_cost=None, missing=(0, 1), empty=True, exact=True),
    )


def test_stock_prices_count_in_what_another_site_would_cost() -> None:
    priced = Problem(
        np.array([1]), np.array([[1, 1]]), np.array([1.0, 1.0]), np.array([[1.0, 1.0]]),
        stock_price=np.array([[0.0, 0.25]]),
    )  # fmt: skip

    assert explain(priced, decide(priced))[1].extra_cost == pytest.approx(0.25)


def test_with_many_sites_the_difference_is_that_of_a_plan_that_exists() -> None:
    order = wide_problem(4, EXACT_SITES + 10, 6)
    decision = decide(order)

    for reason in explain(order, decision):
        if reason.used or reason.empty:
            continue
        assert not reason.exact
        assert reason.extra_cost is not None
        supply = np.array(order.supply)
        # Whoever pays for the site's parcel first and decides then cannot do better by more than rounding.
        opening = np.array(order.opening_cost)
        opening[reason.site] = 0.0
        forced = decide(Problem(order.demand, supply, opening, order.unit_cost))
        truth = forced.total + order.opening_cost[reason.site] - decision.total
        assert reason.extra_cost >= truth - 1e-9


def test_a_plan_by_rule_tells_what_a_better_site_would_save() -> None:
    facts = SiteFacts(np.array([1, 0, 2, 3]), np.array([1.0, 2.0, 3.0, 4.0]))
    plan = strategy_named("priority").decide(SMALL, facts)

    assert plan.allocation.tolist() == [[0, 2, 0, 0], [0, 1, 0, 0]]
    assert explain(SMALL, plan)[0].extra_cost == pytest.approx(-1.0)


def test_an_order_of_nothing_has_no_site_with_anything() -> None:
    nothing = Problem(np.array([1]), np.array([[0, 0]]), np.ones(2), np.ones((1, 2)))

    assert [reason.empty for reason in explain(nothing, decide(nothing))] == [True, True]
