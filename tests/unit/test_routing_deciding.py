"""One order decided: the edges, and HiGHS as the judge of what brute force cannot reach."""

from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pytest

from domain.routing.branching import Branching
from domain.routing.compact import Compact
from domain.routing.deciding import decide
from domain.routing.mixed_integer import finish
from domain.routing.problem import MAX_UNITS, Problem
from tests.routings import DATA, assert_sound, families, shared_data, wide_problem


def problem(demand: Any, supply: Any, opening: Any, unit: Any, **more: Any) -> Problem:
    return Problem(np.array(demand), np.array(supply), np.array(opening), np.array(unit), **more)


def test_ten_from_six_and_twenty_come_from_where_all_ten_are() -> None:
    decision = decide(problem([10], [[6, 20]], [5.0, 5.0], [[1.0, 1.0]]))

    assert decision.allocation.tolist() == [[0, 10]]
    assert (decision.cost, decision.method, decision.proven) == (15.0, "single_site", True)


def test_two_parcels_are_sent_where_that_is_cheaper_and_the_split_penalty_weighs_against_it() -> None:
    two = problem([1, 1], [[1, 1], [1, 1]], [2.0, 2.0], [[1.0, 9.0], [9.0, 1.0]])

    assert decide(two).allocation.tolist() == [[1, 0], [0, 1]]
    assert decide(two).cost == 6.0
    assert decide(replace(two, split_penalty=5.9)).cost == pytest.approx(11.9)
    assert decide(replace(two, split_penalty=6.1)).allocation.tolist() == [[1, 0], [1, 0]]


def test_what_nobody_has_is_short_and_the_rest_is_sent() -> None:
    decision = decide(problem([5, 2], [[2, 1], [0, 0]], [1.0, 1.0], [[1.0, 1.0], [1.0, 1.0]]))

    assert decision.allocation.tolist() == [[2, 1], [0, 0]]
    assert decision.short.tolist() == [2, 2]
    assert decision.proven


def test_a_stock_price_moves_the_choice_and_is_not_part_of_the_cost() -> None:
    plain = problem([1], [[1, 1]], [1.0, 1.5], [[1.0, 1.0]])
    priced = replace(plain, stock_price=np.array([[0.7, 0.0]]))

    assert decide(plain).allocation.tolist() == [[1, 0]]
    decision = decide(priced)
    assert decision.allocation.tolist() == [[0, 1]]
    assert (decision.cost, decision.price, decision.bound) == (2.5, 0.0, 2.5)
    forced = decide(replace(priced, supply=np.array([[1, 0]])))
    assert (forced.cost, forced.price, forced.total) == (2.0, 0.7, 2.7)


@pytest.mark.parametrize(("skus", "sites"), [(0, 0), (0, 3), (3, 0)])
def test_an_order_of_nothing_and_a_shop_without_sites_cost_nothing(skus: int, sites: int) -> None:
    decision = decide(
        Problem(np.ones(skus, int), np.ones((skus, sites), int), np.ones(sites), np.ones((skus, sites)), 3.0)
    )

    assert decision.allocation.shape == (skus, sites)
    assert (decision.cost, decision.bound, decision.proven) == (0.0, 0.0, True)
    assert decision.short.tolist() == [1] * skus * (not sites)


def test_equal_sites_are_taken_by_column() -> None:
    equal = problem([3, 2], np.full((2, 5), 9), np.full(5, 4.0), np.full((2, 5), 1.0))

    assert decide(equal).allocation.tolist() == [[3, 0, 0, 0, 0], [2, 0, 0, 0, 0]]
    free = replace(equal, opening_cost=np.zeros(5), unit_cost=np.zeros((2, 5)))
    assert decide(free).allocation.tolist() == [[3, 0, 0, 0, 0], [2, 0, 0, 0, 0]]


def test_a_trillion_units_at_a_trillion_each_are_counted_to_the_unit() -> None:
    huge = problem([MAX_UNITS], [[MAX_UNITS - 1, 7]], [1e12, 1e12], [[1e12, 2e12]])

    assert decide(huge).allocation.tolist() == [[MAX_UNITS - 1, 1]]


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("demand", np.ones((2, 1), int), "demand has 2 dimensions, not 1"),
        ("demand", np.array([1.5, 2]), "demand is not whole numbers"),
        ("demand", np.array([1, -1]), "demand is below zero"),
        ("demand", np.array([1, MAX_UNITS + 1]), "demand is above"),
        ("supply", np.ones((3, 3), int), r"supply is \(3, 3\), not \(2, 3\)"),
        ("supply", np.ones((2, 4), int), r"supply is \(2, 4\), not \(2, 3\)"),
        ("supply", -np.ones((2, 3), int), "supply is below zero"),
        ("opening_cost", np.ones((1, 3)), "opening_cost has 2 dimensions, not 1"),
        ("opening_cost", np.array([1, np.nan, 1]), "opening_cost is too great or no number"),
        ("opening_cost", np.array([1, -1, 1]), "opening_cost is below zero"),
        ("unit_cost", np.ones((2, 2)), r"unit_cost is \(2, 2\), not \(2, 3\)"),
        ("unit_cost", np.full((2, 3), np.inf), "unit_cost is too great or no number"),
        ("unit_cost", np.full((2, 3), "a"), "unit_cost is not numbers"),
        ("split_penalty", -1.0, "split_penalty"),
        ("split_penalty", float("nan"), "split_penalty"),
        ("stock_price", np.ones((3, 2)), r"stock_price is \(3, 2\), not \(2, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(field: str, value: Any, complaint: str) -> None:
    good = problem([1, 2], np.ones((2, 3), int), np.ones(3), np.ones((2, 3)))

    with pytest.raises(ValueError, match=complaint):
        replace(good, **{field: value})


@pytest.mark.parametrize("seed", range(12))
def test_highs_at_zero_gap_agrees_on_orders_of_twelve_to_forty_sites(seed: int) -> None:
    draw = np.random.default_rng(seed)
    sites, skus = int(draw.integers(12, 41)), int(draw.integers(2, 15))
    one = wide_problem(seed, sites, skus, draw.choice([0.2, 0.4, 0.8]), any_costs=bool(seed % 2))
    one = replace(one, split_penalty=float(draw.choice([0, 3])))

    decision = decide(one)

    assert_sound(one, decision)
    assert (decision.proven, decision.method in {"search", "single_site"}) == (True, True)
    assert decision.cost == pytest.approx(highs_optimum(one), rel=1e-6)


@pytest.mark.parametrize("any_costs", [False, True])
def test_above_forty_undecided_sites_the_stated_bound_is_true_and_near(any_costs: bool) -> None:
    one = wide_problem(3, 60, 12, any_costs=any_costs)
    optimum = highs_optimum(one)

    decision = decide(one)

    assert_sound(one, decision)
    assert decision.method in {"branch_and_bound", "highs"}
    assert decision.gap <= 0.01
    assert decision.bound <= optimum + 1e-6 * abs(optimum)
    assert decision.cost == pytest.approx(optimum, rel=1e-3)


def test_a_hundred_lines_over_a_hundred_sites_are_within_half_a_percent_by_work_alone() -> None:
    one = wide_problem(7, 100, 100)

    decision = decide(one, time_limit_seconds=60.0)

    assert_sound(one, decision)
    assert decision.method == "branch_and_bound"
    assert decision.gap <= 0.005 * (1 + 1e-9)


def test_when_time_is_up_there_is_a_sound_plan_and_an_honest_bound() -> None:
    one = wide_problem(5, 120, 60)

    hurried, calm = decide(one, time_limit_seconds=0.0), decide(one, time_limit_seconds=5.0)

    assert_sound(one, hurried)
    assert hurried.bound <= calm.total + 1e-6
    assert hurried.total >= calm.bound - 1e-6


def test_highs_goes_on_from_a_poor_plan_to_the_best_one() -> None:
    one = wide_problem(8, 15, 8, any_costs=True)
    compact = Compact.of(one)
    everything = np.ones(len(compact.sites))
    poor = Branching(compact, everything, float(compact.fixed.sum()), np.inf)
    poor.run(10.0, 1)
    assert poor.root is not None

    found, bound = finish(compact, poor.root, poor.subset, poor.cost, 60.0)

    best = decide(one).total
    assert found is not None
    poor.offer(found)
    assert poor.cost + compact.paid == pytest.approx(best, rel=1e-6)
    assert bound + compact.paid == pytest.approx(best, rel=1e-5)


def test_every_real_order_is_proven_and_as_cheap_as_the_stored_optimum() -> None:
    file = shared_data("instances.json.gz")
    if file is None:
        pytest.skip(f"{DATA} names no folder with routing/instances.json.gz")
    for _, orders in families(file):
        for one, stored in orders[::4]:
            decision = decide(one)
            assert decision.proven
            # What is stored was solved before its figures were rounded.
            assert decision.cost == pytest.approx(stored, rel=6e-4)


def highs_optimum(one: Problem) -> float:
    """Build the textbook program with highspy's own modelling, and solve it to the end."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.silent()
    solver.setOptionValue("mip_rel_gap", 0.0)
    wanted = np.minimum(one.demand, one.supply.sum(axis=1))
    sites = range(len(one.opening_cost))
    opened = [solver.addBinary(obj=float(one.opening_cost[site]) + one.split_penalty) for site in sites]
    for sku, units in enumerate(wanted.tolist()):
        supply, unit = one.supply[sku].tolist(), one.unit_cost[sku].tolist()
        sent = [solver.addVariable(0, supply[site], unit[site]) for site in sites]
        solver.addConstr(sum(sent) == units)
        for site in sites:
            solver.addConstr(sent[site] <= min(supply[site], units) * opened[site])
    solver.run()
    return float(solver.getInfo().objective_function_value) - one.split_penalty
