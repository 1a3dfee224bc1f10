"""Orders for bench/routing.py: real ones where the data is there, and such as are made up, always alike."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.routing.outlook import TableOrder
from domain.routing.problem import FloatArray, IntArray, Problem

_PARCEL, _PARCEL_MM, _KG, _KG_MM = 8.65, 7.9, 1.77, 1.03
"""Costs of made-up orders: a parcel, a parcel a thousand km, a kg, a kg a thousand km."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Orders one after the other over one stock, and those of an earlier time."""

    name: str
    stock: IntArray
    past: list[TableOrder]
    orders: list[TableOrder]
    bound: float
    """What all of them cost at least for one who knew all of them before."""


def families(data: Path | None) -> list[tuple[str, list[tuple[Problem, float | None]]]]:
    """Return families of orders, each order with the stored cost of its best plan if it has one."""
    if data is None:
        return [
            (f"made_up_{sites}", [(_scattered(seed, sites, 10, 0.4), None) for seed in range(200)])
            for sites in (10, 20)
        ]
    families = json.loads(gzip.decompress((data / "instances.json.gz").read_bytes()))
    return [
        (f"{family['family']}_{len(family['sites'])}", [_real(family, one) for one in family["orders"]])
        for family in families
    ]


def _real(family: dict[str, Any], order: dict[str, Any]) -> tuple[Problem, float | None]:
    places = np.radians([[site["lat"], site["lng"]] for site in family["sites"]])
    here = np.radians([order["lat"], order["lng"]])
    half = np.sin((places - here) / 2) ** 2
    # Haversine, in thousands of kilometres.
    distance = 12.742 * np.arcsin(np.sqrt(half[:, 0] + np.cos(here[0]) * np.cos(places[:, 0]) * half[:, 1]))
    weight = np.array([line["kg"] for line in order["lines"]])
    return Problem(
        np.array([line["qty"] for line in order["lines"]]),
        np.array([line["stock"] for line in order["lines"]]),
        family["a"] + family["b"] * distance,
        weight[:, None] * (family["c"] + family["d"] * distance),
    ), order["optimal_cost"]


def _scattered(seed: int, sites: int, lines: int, density: float) -> Problem:
    """An order over sites on a square of three thousand km, each of which has some of the lines."""
    draw = np.random.default_rng(seed)
    distance = np.hypot(*(3 * draw.random((sites, 2)) - 3 * draw.random(2)).T)
    demand = draw.integers(1, 13, lines)
    supply = draw.integers(1, 13, (lines, sites)) * (draw.random((lines, sites)) < density)
    supply[np.arange(lines), draw.integers(0, sites, lines)] += 3
    weight = draw.lognormal(-1, 1, lines)
    unit = weight[:, None] * (_KG + _KG_MM * distance)
    return Problem(demand, supply, _PARCEL + _PARCEL_MM * distance, unit)


def any_costs(count: int) -> list[Problem]:
    """Return orders over 12 to 20 sites whose costs follow no distance: each SKU ranks sites anew."""
    problems = []
    for seed in range(count):
        draw = np.random.default_rng(seed)
        sites, lines = int(draw.integers(12, 21)), int(draw.integers(2, 15))
        shape = _scattered(seed, sites, lines, float(draw.choice([0.2, 0.4, 0.8])))
        unit = draw.random((lines, sites)) * draw.choice([1, 5])
        problems.append(Problem(shape.demand, shape.supply, 2 + 20 * draw.random(sites), unit))
    return problems


def large(seed: int) -> Problem:
    """Return an order of 200 lines over 200 sites, stocked as densely as the real families."""
    return _scattered(seed, 200, 200, 0.4)


def streams(data: Path | None) -> list[Stream]:
    """Return the streams that are there."""
    return [] if data is None else [_stream(file) for file in sorted(data.glob("stream_*.json.gz"))]


def _stream(file: Path) -> Stream:
    given = json.loads(gzip.decompress(file.read_bytes()))
    rows = {sku: row for row, sku in enumerate(given["stock"])}
    stock = np.array(list(given["stock"].values()), np.int64)
    return Stream(
        file.name.removesuffix(".json.gz"),
        stock,
        [_table_order(order, rows, stock) for order in given["past_orders"]],
        [_table_order(order, rows, stock) for order in given["orders"]],
        float(given["clairvoyant_lp_bound"]),
    )


def _table_order(order: dict[str, Any], rows: dict[str, int], stock: IntArray) -> TableOrder:
    table_rows = np.array([rows.get(sku, -1) for sku in order["skus"]], np.int64)
    unit: FloatArray = np.array(order["unit_cost"], np.float64)
    supply = np.where(table_rows[:, None] >= 0, stock[table_rows], 0)
    problem = Problem(
        np.array(order["quantities"], np.int64), supply, np.array(order["site_cost"], np.float64), unit
    )
    return TableOrder(problem, table_rows)
