"""What a channel's orders and its stock tell of what scarce stock is worth.

Orders of the past are likely to come again, from where they came and for the goods that were sold; where
together they would take more of a location than it has, a unit of that has a price there
(`domain/routing/stock_prices.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np

from domain.calendars import WorkCalendar
from domain.routing.outlook import Outlook, TableOrder, expected_until_delivery
from domain.routing.problem import FloatArray, IntArray
from domain.routing.stock_prices import price_stock
from domain.routing_problem import Goods, Point, RoutingFacts, SitedProblem, build

LEAST_PRICE_MINOR = 0.5
"""Prices below this, in minor units, are left out: they decide nothing."""
MOST_DRAWN = 300
"""Orders that are drawn in a round at most: above 12 sites a round takes a tenth of a second, else less."""
_MARGIN = 3.0
"""Standard deviations above what was sold: no more than that is expected to be asked for."""
_FORBIDDEN = 4.0
"""What a parcel is taken to cost from where none may be sent, as a multiple of the dearest that may."""
Prices = Mapping[tuple[UUID, UUID], float]
"""Of a unit in minor units, by variant and location."""


@dataclass(frozen=True, slots=True)
class PastOrder:
    """Where an order went, and what of."""

    country: str
    destination: Point | None
    units: Mapping[UUID, int]
    grams: Mapping[UUID, int]
    """What a unit weighs."""


def learn(sold: Mapping[UUID, int], past: Sequence[PastOrder], facts: RoutingFacts, now: datetime) -> Prices:
    """Return what a unit of these variants' stock is worth at the locations of the facts.

    Args:
        sold: units sold of each variant in the time that is looked back on, all of its orders counted.
        past: orders of that time with any of them, as many as are to be looked at.
        facts: what is in stock of them, and the prices of an earlier time to go on from.
        now: any time; closed days and cut-offs do not count.
    """
    if not (sold and past and facts.sites):
        return {}
    rows = {variant: row for row, variant in enumerate(sold)}
    start, facts = _start(rows, facts), _lasting(facts)
    stock = _stock(rows, facts)
    orders = [_table_order(one, rows, facts, now) for one in past]
    expected = _expected(stock, np.array(list(sold.values()), np.int64))
    units = sum(int(one.problem.demand[one.rows >= 0].sum()) for one in orders)
    prices = price_stock(
        Outlook(orders, len(stock)),
        stock,
        expected,
        max(1, round(float(expected.sum()) * len(orders) / max(units, 1))),
        start=start,
        most_drawn=MOST_DRAWN,
    )
    return {
        (variant, site.id): price
        for variant, row in rows.items()
        for site, price in zip(facts.sites, prices[row].tolist(), strict=True)
        if price >= LEAST_PRICE_MINOR
    }


def _lasting(facts: RoutingFacts) -> RoutingFacts:
    """Return the facts without what is so today only: a full day, the cost of waiting for a working day."""
    settings = None if facts.settings is None else replace(facts.settings, late_day_minor=0)
    sites = tuple(replace(one, daily_capacity=None, calendar=WorkCalendar()) for one in facts.sites)
    return replace(facts, settings=settings, sites=sites, prices={})


def _stock(rows: Mapping[UUID, int], facts: RoutingFacts) -> IntArray:
    stock = np.zeros((len(rows), len(facts.sites)), np.int64)
    for column, site in enumerate(facts.sites):
        for variant, row in rows.items():
            goods = facts.goods.get(variant)
            if site.ships and (goods is None or goods.tags <= site.tags):
                stock[row, column] = facts.available.get((variant, site.id), 0)
    return stock


def _start(rows: Mapping[UUID, int], facts: RoutingFacts) -> FloatArray | None:
    if not facts.prices:
        return None
    return np.array([[facts.prices.get((one, site.id), 0.0) for site in facts.sites] for one in rows])


def _expected(stock: IntArray, sold: IntArray) -> FloatArray:
    """Return what is likely to be asked for of each, until as much time has passed as is looked back on.

    Stock was bought to be sold, what was sold since included; but what lies there for years is not scarce,
    so that it is no more than chance could make of what was sold (taken for a Poisson variable).
    """
    bought = stock.copy()
    bought[:, 0] += sold
    most = sold + _MARGIN * np.sqrt(sold + 1.0)
    likely: FloatArray = np.minimum(expected_until_delivery(stock, bought), most)
    return likely


def _table_order(
    order: PastOrder, rows: Mapping[UUID, int], facts: RoutingFacts, now: datetime
) -> TableOrder:
    goods = {one: Goods(one, grams) for one, grams in order.grams.items()}
    known = replace(facts, goods={**goods, **facts.goods}, destination=order.destination)
    sited = build(order.units, known, {}, country=order.country, now=now)
    table_rows = np.array([rows.get(one, -1) for one in sited.variants], np.int64)
    return TableOrder(replace(sited.problem, opening_cost=_opening(sited)), table_rows)


def _opening(sited: SitedProblem) -> FloatArray:
    """Return what parcels cost; from where none may be sent to this address so much that none is."""
    opening = sited.problem.opening_cost
    forbidden = np.array([rule is not None for rule in sited.excluded])
    dear: FloatArray = np.where(forbidden, _FORBIDDEN * max(float(opening.max()), 1.0), opening)
    return dear
