"""Orders to be routed at random, and judges that know nothing of how the product decides."""

import gzip
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from domain.routing.outlook import TableOrder
from domain.routing.problem import Decision, FloatArray, IntArray, Problem

DATA = "ORDERTIDE_TEST_DATA"


def shared_data(name: str) -> Path | None:
    """Return this file of the routing data, or None where ORDERTIDE_TEST_DATA does not name its folder."""
    folder = os.environ.get(DATA)
    file = Path(folder or "") / "routing" / name
    return file if folder and file.exists() else None


def random_problem(draw: np.random.Generator, most_sites: int = 7, most_skus: int = 6) -> Problem:
    """A small order: costs by distance, any, by zone with many ties, free parcels; stock is often short."""
    sites, skus = int(draw.integers(1, most_sites + 1)), int(draw.integers(1, most_skus + 1))
    demand = draw.integers(1, draw.choice([2, 4, 13]), skus)
    supply = draw.integers(1, 13, (skus, sites)) * (draw.random((skus, sites)) < draw.choice([0.3, 0.6, 0.9]))
    distance, weight = 3 * draw.random(sites), draw.choice([0.1, 0.5, 2, 10]) * draw.random(skus) + 0.05
    opening, unit = _costs(draw, distance, weight)
    price = 2 * draw.random((skus, sites)) if draw.random() < 0.3 else None
    return Problem(demand, supply, opening, unit, float(draw.choice([0, 0, 4])), price)


def _costs(
    draw: np.random.Generator, distance: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    sites, skus = len(distance), len(weight)
    match int(draw.integers(4)):
        case 0:
            return 8.65 + 7.9 * distance, weight[:, None] * (1.77 + 1.03 * distance)
        case 1:
            return 20 * draw.random(sites), 5 * draw.random((skus, sites))
        case 2:
            return np.full(sites, 10.0), weight[:, None] * np.round(1 + distance)
        case _:
            extra = draw.choice([0.0, 0.0, 3.0], (skus, sites))
            return draw.choice([0.0, 0.0, 5.0, 50.0], sites), weight[:, None] * (1 + distance) + extra


@cache
def _subsets(sites: int) -> IntArray:
    return (np.arange(1, 1 << sites)[:, None] >> np.arange(sites)) & 1


def every_plan(problem: Problem) -> tuple[IntArray, FloatArray]:
    """Return every set of sites, and what each costs with stock prices; infinite where it is not enough."""
    sites = problem.supply.shape[1]
    subsets = _subsets(sites)
    unit = problem.unit_cost + (0 if problem.stock_price is None else problem.stock_price)
    totals = subsets @ problem.opening_cost + problem.split_penalty * (subsets.sum(axis=1) - 1.0)
    for sku, wanted in enumerate(np.minimum(problem.demand, problem.supply.sum(axis=1))):
        left = np.full(len(subsets), wanted)
        for site in sorted(range(sites), key=lambda one: unit[sku, one]):
            taken = np.minimum(left, problem.supply[sku, site] * subsets[:, site])
            left = left - taken
            totals = totals + taken * unit[sku, site]
        totals[left > 0] = np.inf
    return subsets, totals


def recomputed_cost(problem: Problem, allocation: IntArray) -> tuple[float, float]:
    """Return cost and stock prices of an allocation, unit by unit."""
    cost = price = 0.0
    parcels = 0
    for site in range(allocation.shape[1]):
        if allocation[:, site].any():
            parcels += 1
            cost += problem.opening_cost[site]
        for sku in range(allocation.shape[0]):
            cost += allocation[sku, site] * problem.unit_cost[sku, site]
            if problem.stock_price is not None:
                price += allocation[sku, site] * problem.stock_price[sku, site]
    return cost + problem.split_penalty * max(parcels - 1, 0), price


def assert_sound(problem: Problem, decision: Decision) -> None:
    """Nothing is taken that is not there, everything is sent or said to be short, the figures are its own."""
    allocation = decision.allocation
    assert allocation.dtype == np.int64
    assert (allocation >= 0).all()
    assert (allocation <= problem.supply).all()
    assert (allocation.sum(axis=1) + decision.short == problem.demand).all()
    assert (decision.short == np.maximum(problem.demand - problem.supply.sum(axis=1), 0)).all()
    cost, price = recomputed_cost(problem, allocation)
    assert np.isclose(decision.cost, cost, rtol=1e-9, atol=1e-9)
    assert np.isclose(decision.price, price, rtol=1e-9, atol=1e-9)
    assert decision.bound <= decision.total + 1e-9 * abs(decision.total)


def wide_problem(
    seed: int, sites: int, skus: int, density: float = 0.5, *, any_costs: bool = False
) -> Problem:
    """A large order on a map three units wide."""
    draw = np.random.default_rng(seed)
    distance = np.hypot(*(3 * draw.random((sites, 2)) - 3 * draw.random(2)).T)
    demand = draw.integers(1, 13, skus)
    supply = draw.integers(1, 13, (skus, sites)) * (draw.random((skus, sites)) < density)
    supply[np.arange(skus), draw.integers(0, sites, skus)] += 3
    if any_costs:
        return Problem(demand, supply, 2 + 20 * draw.random(sites), 5 * draw.random((skus, sites)))
    weight = draw.lognormal(-1, 1, skus)
    return Problem(demand, supply, 8.65 + 7.9 * distance, weight[:, None] * (1.77 + 1.03 * distance))


def random_batch(seed: int, orders: int, skus: int = 30, sites: int = 6) -> tuple[list[TableOrder], IntArray]:
    """Orders over one stock that is not enough for all of them everywhere, and for some nowhere."""
    draw = np.random.default_rng(seed)
    places = 3 * draw.random((sites, 2))
    weight = draw.lognormal(-1, 1, skus)
    stock = draw.integers(0, orders // 2 + 2, (skus, sites)) * (draw.random((skus, sites)) < 0.5)
    batch = []
    for _ in range(orders):
        rows = draw.choice(skus, int(draw.integers(1, 8)), replace=False)
        distance = np.hypot(*(places - 3 * draw.random(2)).T)
        allowed = draw.random(sites) < 0.9
        batch.append(
            TableOrder(
                Problem(
                    draw.integers(1, 6, len(rows)),
                    stock[rows] * allowed,
                    8.65 + 7.9 * distance,
                    weight[rows][:, None] * (1.77 + 1.03 * distance),
                ),
                rows,
            )
        )
    return batch, stock


def families(file: Path) -> Iterator[tuple[str, list[tuple[Problem, float]]]]:
    """Return each family of real orders with the costs of the best plans, as the data has them."""
    for family in json.loads(gzip.decompress(file.read_bytes())):
        yield f"{family['family']}_{len(family['sites'])}", [_order(family, one) for one in family["orders"]]


def _order(family: dict[str, Any], order: dict[str, Any]) -> tuple[Problem, float]:
    places = np.radians([[site["lat"], site["lng"]] for site in family["sites"]])
    here = np.radians([order["lat"], order["lng"]])
    half = np.sin((places - here) / 2) ** 2
    arc = half[:, 0] + np.cos(here[0]) * np.cos(places[:, 0]) * half[:, 1]
    distance = 12.742 * np.arcsin(np.sqrt(arc))
    weight = np.array([line["kg"] for line in order["lines"]])
    return Problem(
        np.array([line["qty"] for line in order["lines"]]),
        np.array([line["stock"] for line in order["lines"]]),
        family["a"] + family["b"] * distance,
        weight[:, None] * (family["c"] + family["d"] * distance),
    ), order["optimal_cost"]
