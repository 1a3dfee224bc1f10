"""New orders decided anew together, over the stock that they hold and what is free besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np

from domain.routing.batches import decide_together
from domain.routing.outlook import TableOrder
from domain.routing.problem import Decision
from domain.routing_decisions import Request, Routed, routed_by
from domain.routing_problem import RoutingFacts, SitedProblem, build
from domain.routing_settings import RoutingReason

LEAST_SAVING_MINOR = 1.0
"""What all of a batch together has to save, in minor units; for less nothing is moved."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that may still be decided anew, and what decides it."""

    request: Request
    facts: RoutingFacts


def decide_batch(
    waiting: Sequence[Waiting], now: datetime, *, time_limit_seconds: float = 10.0
) -> list[Routed]:
    """Return new decisions for orders that had better leave from elsewhere; none where that saves nothing.

    All are of one channel. An order that holds units where it may not be sent from is left out: that is not
    a matter of cost.
    """
    sites = waiting[0].facts.sites if waiting else ()
    orders = [(one, _sited(one, now)) for one in waiting if one.facts.sites == sites]
    orders = [(one, sited) for one, sited in orders if _is_whole(one.request, sited)]
    if len(orders) < 2:
        return []
    stock, rows = _stock(orders)
    tables = [
        TableOrder(replace(sited.problem, supply=np.where(_allowed(sited), stock[rows[at]], 0)), rows[at])
        for at, (_, sited) in enumerate(orders)
    ]
    decisions = decide_together(tables, stock, time_limit_seconds=time_limit_seconds)
    before = sum(_present_cost(one.request, sited) for one, sited in orders)
    if any(one.short.any() for one in decisions):
        return []
    if before - sum(one.total for one in decisions) < LEAST_SAVING_MINOR:
        return []
    routed = [
        _routed(one, replace(sited, problem=table.problem), decision, now)
        for (one, sited), table, decision in zip(orders, tables, decisions, strict=True)
    ]
    return [
        after for (one, _), after in zip(orders, routed, strict=True) if dict(one.request.own) != after.units
    ]


def _sited(one: Waiting, now: datetime) -> SitedProblem:
    request = one.request
    return build(
        request.demand,
        one.facts,
        request.own,
        country=request.country,
        now=now,
        refused=request.refused,
        placed=True,
        promised=request.promised,
    )


def _is_whole(request: Request, sited: SitedProblem) -> bool:
    """Say whether an order has all its units, where it may be sent from."""
    if any(not site.serves for site in sited.sites):
        return False
    held = _held(request, sited)
    return bool((held.sum(axis=1) == sited.problem.demand).all() and (held <= sited.problem.supply).all())


def _held(request: Request, sited: SitedProblem) -> np.ndarray:
    return np.array(
        [[request.own.get((one, site.id), 0) for site in sited.sites] for one in sited.variants], np.int64
    )


def _stock(orders: Sequence[tuple[Waiting, SitedProblem]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return what all of them may take, by variant and site, and each order's rows in it."""
    places: dict[UUID, int] = {}
    rows = [
        np.array([places.setdefault(one, len(places)) for one in sited.variants], np.int64)
        for _, sited in orders
    ]
    sites = orders[0][1].sites
    stock = np.zeros((len(places), len(sites)), np.int64)
    free: Mapping[tuple[UUID, UUID], int] = {}
    for one, _ in orders:
        # As each was read a little later than the one before: what the last one saw is the newest.
        free = {
            **free,
            **{place: 0 for place in free if place[0] in one.request.demand},
            **one.facts.available,
        }
    for variant, row in places.items():
        for column, site in enumerate(sites):
            stock[row, column] = free.get((variant, site.id), 0)
    for at, (one, sited) in enumerate(orders):
        stock[rows[at]] += _held(one.request, sited)
    return stock, rows


def _allowed(sited: SitedProblem) -> np.ndarray:
    allowed = np.ones(sited.problem.supply.shape, np.bool_)
    for column, rule in enumerate(sited.excluded):
        allowed[:, column] = rule is None
        allowed[list(sited.goods_excluded[column]), column] = False
    return allowed


def _present_cost(request: Request, sited: SitedProblem) -> float:
    """Return what it costs where it is, stock prices included: what of it stays free, others may need."""
    held = _held(request, sited)
    return sited.problem.cost_of(held) + sited.problem.price_of(held)


def _routed(one: Waiting, sited: SitedProblem, decision: Decision, now: datetime) -> Routed:
    return routed_by(one.request, sited, decision, one.facts.strategy, RoutingReason.BATCHED, now)
