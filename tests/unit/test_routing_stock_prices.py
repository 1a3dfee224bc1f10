"""What stock is worth: nothing where there is enough, and what its lack costs where there is not."""

from dataclasses import replace

import numpy as np
import pytest

from domain.routing.batches import decide_together
from domain.routing.deciding import decide
from domain.routing.many_alone import ManyAlone
from domain.routing.outlook import Outlook, TableOrder, expected_until_delivery
from domain.routing.problem import FloatArray, IntArray, Problem
from domain.routing.stock_prices import price_stock

NEAR_FIRST, NEAR_SECOND = np.array([2.0, 6.0]), np.array([6.0, 2.0])
ONE = np.array([0])


def order(opening: FloatArray, units: int = 1) -> TableOrder:
    """An order of the only SKU, of which a unit costs a tenth of a parcel."""
    return TableOrder(Problem(np.array([units]), np.full((1, 2), 99), opening, opening[None] / 10), ONE)


PAST = [order(NEAR_FIRST) for _ in range(30)] + [order(NEAR_SECOND) for _ in range(10)]


def test_ample_stock_has_no_price_and_scarce_stock_that_of_going_farther() -> None:
    outlook = Outlook(PAST, 1)

    ample = price_stock(outlook, np.array([[100, 100]]), np.array([40.0]), 40)
    scarce = price_stock(outlook, np.array([[10, 100]]), np.array([40.0]), 40)

    assert ample.tolist() == [[0.0, 0.0]]
    assert scarce[0, 0] > 1
    assert scarce[0, 1] == 0


def test_a_sample_of_the_orders_to_come_gives_about_the_same_prices_as_all() -> None:
    outlook, stock = Outlook(PAST, 1), np.array([[50, 500]])

    of_all = price_stock(outlook, stock, np.array([200.0]), 200)
    of_some = price_stock(outlook, stock, np.array([200.0]), 200, most_drawn=40)

    assert of_some[0, 0] == pytest.approx(of_all[0, 0], rel=0.3)
    assert of_some[0, 1] == 0


def test_the_same_seed_gives_the_same_prices() -> None:
    def prices() -> list[list[float]]:
        found = price_stock(Outlook(PAST, 1), np.array([[10, 30]]), np.array([40.0]), 40, seed=3)
        return [row.tolist() for row in found]

    assert prices() == prices()


def test_known_orders_count_as_they_are() -> None:
    stock = np.array([[5, 50]])
    waiting = [order(NEAR_FIRST) for _ in range(20)]

    without = price_stock(Outlook(PAST, 1), stock, np.array([0.0]), 0)
    with_them = price_stock(Outlook(PAST, 1), stock, np.array([20.0]), 0, known=waiting)

    assert without.tolist() == [[0.0, 0.0]]
    assert with_them[0, 0] > 1


def test_a_reserve_is_not_expected_to_be_sold() -> None:
    now, then = np.array([[5, 5], [1, 0]]), np.array([[10, 10], [10, 10]])

    assert expected_until_delivery(now, then, reserve=0.15).tolist() == [7.0, 0.0]
    assert expected_until_delivery(now, then, reserve=0.15, reserve_units=2).tolist() == [5.0, 0.0]


def test_drawn_orders_ask_for_what_is_expected_at_costs_of_real_places() -> None:
    outlook = Outlook(PAST, 1)

    drawn = outlook.draw(np.random.default_rng(1), np.array([1_000.0]), 2_000)

    assert sum(int(one.problem.demand.sum()) for one in drawn) == pytest.approx(1_000, rel=0.15)
    assert all(one.problem.unit_cost[0] == pytest.approx(one.problem.opening_cost / 10) for one in drawn)
    first = sum(bool(one.problem.opening_cost[0] == 2) for one in drawn)
    assert first / len(drawn) == pytest.approx(0.75, abs=0.06)


def test_a_future_asks_for_exactly_what_is_expected() -> None:
    outlook = Outlook([*PAST, order(NEAR_FIRST, 5)], 2)

    drawn = outlook.draw(np.random.default_rng(1), np.array([97.0, 31.0]), 20, exactly=True)

    asked = np.zeros(2, int)
    for one in drawn:
        assert len(set(one.rows.tolist())) == len(one.rows)
        asked[one.rows] += one.problem.demand
    assert asked.tolist() == [97, 31]
    assert len(drawn) == 20


def test_futures_price_stock_that_lasts_on_average_but_may_run_out() -> None:
    outlook, stock = Outlook(PAST, 1), np.array([[20, 20]])

    on_average = price_stock(outlook, stock, np.array([24.0]), 24)
    of_futures = price_stock(outlook, stock, np.array([24.0]), 24, futures=20)
    none_to_come = price_stock(outlook, stock, np.array([0.0]), 0, futures=20)

    assert of_futures[0, 0] > 2 * on_average[0, 0]
    assert of_futures[0, 1] == 0
    assert none_to_come.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("sites", [1, 7, 13])
def test_what_many_would_take_alone_is_what_each_decides(sites: int) -> None:
    draw = np.random.default_rng(sites)
    stock = 20 * draw.integers(0, 2, (30, sites))
    orders = []
    for _ in range(60):
        rows = np.sort(draw.choice(30, int(draw.integers(1, 8)), replace=False))
        opening, unit = 5 * draw.random(sites), draw.random((len(rows), sites))
        supply = np.where(draw.random(unit.shape) < 0.1, 0, 99)
        orders.append(TableOrder(Problem(draw.integers(1, 9, len(rows)), supply, opening, unit, 2.0), rows))
    prices = 0.3 * draw.random(stock.shape)

    wanted = ManyAlone(orders, stock).wanted(prices)

    each = np.zeros_like(stock)
    for one in orders:
        supply = np.minimum(one.problem.supply, stock[one.rows])
        decision = decide(replace(one.problem, supply=supply, stock_price=prices[one.rows]))
        each[one.rows] += decision.allocation
    assert wanted.tolist() == each.tolist()


def test_a_line_that_no_site_has_in_full_is_taken_in_parts_of_what_there_is() -> None:
    stock = np.array([[2, 5]])
    wanted = ManyAlone([order(NEAR_FIRST, 4), order(NEAR_FIRST, 9)], stock).wanted(np.zeros((1, 2)))

    assert wanted.tolist() == [[0, 9]]


def test_nothing_known_of_the_past_gives_no_orders_and_no_prices() -> None:
    outlook = Outlook([], 2)

    assert outlook.draw(np.random.default_rng(1), np.array([5.0, 5.0]), 10) == []
    assert price_stock(outlook, np.ones((2, 3), int), np.ones(2), 10).tolist() == np.zeros((2, 3)).tolist()


def test_what_a_sku_not_seen_before_costs_is_guessed_and_what_left_the_table_still_tells_of_places() -> None:
    gone = replace(PAST[0], rows=np.array([-1]))
    outlook = Outlook([*PAST, gone], 2)

    assert outlook.unit_costs == pytest.approx([0.4, 0.4])


def test_of_two_orders_the_one_that_has_no_other_way_gets_the_last_unit() -> None:
    flexible = TableOrder(
        Problem(np.array([1]), np.array([[1, 1]]), np.array([1.0, 1.1]), np.zeros((1, 2))), ONE
    )
    bound = TableOrder(
        Problem(np.array([1]), np.array([[1, 1]]), np.array([1.0, 9.0]), np.zeros((1, 2))), ONE
    )

    first, second = decide_together([flexible, bound], np.array([[1, 1]]))

    assert first.allocation.tolist() == [[0, 1]]
    assert second.allocation.tolist() == [[1, 0]]
    assert (first.cost + second.cost, first.proven, second.proven) == (2.1, False, True)


def test_who_came_first_is_served_where_stock_is_not_enough_for_all() -> None:
    orders = [order(NEAR_SECOND, 3), order(NEAR_FIRST, 3)]

    first, second = decide_together(orders, np.array([[2, 2]]))

    assert first.short.tolist() == [0]
    assert second.short.tolist() == [2]


def test_no_orders_are_no_decisions() -> None:
    assert decide_together([], np.ones((2, 2), int)) == ()


def test_prices_leave_scarce_stock_to_those_who_have_no_other_way() -> None:
    flexible, captive = np.array([2.0, 2.2]), np.array([2.0, 9.0])
    stock = np.array([[10, 99]])
    coming = [order(flexible) for _ in range(10)] + [order(captive) for _ in range(10)]
    prices = price_stock(Outlook(coming, 1), stock, np.array([20.0]), 20)

    plain, priced = _play(coming, stock, np.zeros((1, 2))), _play(coming, stock, prices)

    assert plain == pytest.approx(10 * 2.2 + 10 * 9.9)
    assert priced == pytest.approx(10 * 2.42 + 10 * 2.2)


def _play(orders: list[TableOrder], stock: IntArray, prices: FloatArray) -> float:
    left, cost = stock.copy(), 0.0
    for one in orders:
        priced = replace(one.problem, supply=left[one.rows], stock_price=prices[one.rows])
        decision = decide(priced)
        left[one.rows] -= decision.allocation
        cost += decision.cost
    return cost
