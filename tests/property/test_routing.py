"""Whatever is ordered and wherever it lies: the plan is the best there is, and explained by true figures."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.routing.batches import decide_together
from domain.routing.branching import Branching
from domain.routing.compact import Compact
from domain.routing.deciding import decide
from domain.routing.explanation import explain
from domain.routing.problem import Problem
from domain.routing.relaxation import Relaxation
from domain.routing.strategies import STRATEGIES, SiteFacts
from tests.routings import assert_sound, every_plan, random_batch, random_problem, recomputed_cost

ROUNDING = 1e-7


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_random_orders_cost_what_brute_force_finds(seed: int) -> None:
    draw = np.random.default_rng(seed)
    for number in range(2_500):
        problem = random_problem(draw, most_sites=9 if number % 10 == 0 else 7)
        decision = decide(problem)
        assert_sound(problem, decision)
        assert decision.proven
        if problem.usable().any():
            _, totals = every_plan(problem)
            assert decision.total == pytest.approx(totals.min(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_what_another_site_would_cost_is_never_less_than_the_truth(seed: int) -> None:
    draw = np.random.default_rng(100 + seed)
    exact = 0
    for number in range(250):
        problem = random_problem(draw, most_sites=10 if number % 5 == 0 else 7)
        decision = decide(problem)
        subsets, totals = every_plan(problem)
        for reason in explain(problem, decision):
            assert reason.empty == (not problem.supply[:, reason.site].any())
            assert reason.used == bool(decision.allocation[:, reason.site].any())
            assert reason.missing == tuple(np.flatnonzero(problem.supply[:, reason.site] < problem.demand))
            if reason.empty:
                assert reason.extra_cost is None
                continue
            assert reason.extra_cost is not None
            if reason.used:
                assert reason.extra_cost == 0
                continue
            truth = totals[subsets[:, reason.site] == 1].min() - decision.total
            assert reason.extra_cost >= truth - ROUNDING
            if reason.exact:
                exact += 1
                assert reason.extra_cost == pytest.approx(truth, abs=ROUNDING)
    assert exact


@pytest.mark.parametrize("seed", range(3))
def test_no_bound_of_a_part_of_the_plans_exceeds_its_cheapest_plan(seed: int) -> None:
    draw = np.random.default_rng(200 + seed)
    looked_at = 0
    for _ in range(150):
        problem = random_problem(draw, most_sites=7)
        compact = Compact.of(problem)
        if len(compact.sites) < 2:
            continue
        subsets, totals = every_plan(problem)
        forced = draw.random(len(compact.sites)) < 0.2
        allowed = forced | (draw.random(len(compact.sites)) < 0.8)
        chosen = subsets[:, compact.sites] == 1
        inside = (chosen >= forced).all(axis=1) & (chosen <= allowed).all(axis=1)
        if (compact.usable[:, allowed].sum(axis=1) < compact.demand).any():
            continue
        cheapest = totals[inside].min() - compact.paid
        parent = Relaxation(compact, forced, np.ones(len(forced), np.bool_), None)
        for _ in range(10):
            parent.ascend(cheapest)
        child = Relaxation(compact, forced, allowed, parent.multipliers, covers=parent.covers)
        for _ in range(30):
            child.ascend(cheapest * 1.1)
        assert parent.bound <= cheapest + ROUNDING
        assert child.bound <= cheapest + ROUNDING
        looked_at += 1
    assert looked_at > 50


@pytest.mark.parametrize("gap", [0.0, 0.02, 0.2])
def test_branching_stops_at_the_gap_and_its_bound_is_true(gap: float) -> None:
    draw = np.random.default_rng(300)
    for _ in range(60):
        problem = random_problem(draw, most_sites=8)
        compact = Compact.of(problem)
        if not len(compact.sites):
            continue
        everything = np.ones(len(compact.sites))
        branching = Branching(compact, everything, np.inf, np.inf)
        branching.offer(everything)
        branching.run(gap, None)
        _, totals = every_plan(problem)
        assert branching.bound + compact.paid <= totals.min() + ROUNDING
        assert branching.gap() <= gap + ROUNDING
        assert (
            branching.cost + compact.paid
            <= totals.min() + gap * abs(branching.cost + compact.paid) + ROUNDING
        )


amounts = st.integers(0, 10**12)
costs = st.floats(0, 1e12, allow_nan=False)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to five by five, with anything that is allowed: nothing at all, ties, a trillion of it."""
    skus, sites = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    units = draw(st.sampled_from([st.integers(0, 1), st.integers(0, 9), amounts]))
    money = draw(st.sampled_from([st.just(0.0), st.sampled_from([0.0, 1.0, 2.0]), costs]))
    table = st.lists(units, min_size=skus * sites, max_size=skus * sites)
    unit = st.lists(money, min_size=skus * sites, max_size=skus * sites)
    opening = draw(st.lists(money, min_size=sites, max_size=sites))
    return Problem(
        np.array(draw(st.lists(units, min_size=skus, max_size=skus)), np.int64),
        np.array(draw(table), np.int64).reshape(skus, sites),
        np.array(opening, np.float64),
        np.array(draw(unit), np.float64).reshape(skus, sites),
        draw(money),
        np.array(draw(unit), np.float64).reshape(skus, sites) if draw(st.booleans()) else None,
    )


@settings(max_examples=300, deadline=None)
@given(problems())
def test_whatever_is_allowed_is_decided_soundly_and_always_alike(problem: Problem) -> None:
    decision = decide(problem)

    assert_sound(problem, decision)
    assert decision.proven
    assert (decide(problem).allocation == decision.allocation).all()
    if problem.usable().any():
        _, totals = every_plan(problem)
        assert decision.total == pytest.approx(totals.min(), rel=1e-8, abs=1e-8)
    assert len(explain(problem, decision)) == problem.supply.shape[1]


@settings(max_examples=100, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_every_strategy_takes_only_what_is_there_and_none_beats_the_cheapest(
    problem: Problem, draw: Random
) -> None:
    sites = problem.supply.shape[1]
    facts = SiteFacts(
        np.array(draw.sample(range(sites), sites), np.int64), np.array([draw.random() for _ in range(sites)])
    )
    best = decide(problem)
    for strategy in STRATEGIES.values():
        decision = strategy.decide(problem, facts)
        assert_sound(problem, decision)
        assert decision.total >= best.total - 1e-8 * abs(best.total)
        assert decision.bound <= best.total + 1e-8 * abs(best.total)


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_never_takes_more_than_there_is_and_owes_nobody_what_is_left(seed: int) -> None:
    orders, stock = random_batch(seed, 25)

    decisions = decide_together(orders, stock)

    left = stock.copy()
    for order, decision in zip(orders, decisions, strict=True):
        assert (decision.allocation >= 0).all()
        assert (decision.allocation <= order.problem.supply).all()
        assert (decision.allocation.sum(axis=1) + decision.short == order.problem.demand).all()
        cost, _ = recomputed_cost(order.problem, decision.allocation)
        assert decision.cost == pytest.approx(cost)
        left[order.rows] -= decision.allocation
    assert (left >= 0).all()
    for order, decision in zip(orders, decisions, strict=True):
        reachable = np.where(order.problem.supply > decision.allocation, left[order.rows], 0)
        assert (reachable.sum(axis=1)[decision.short > 0] == 0).all()
