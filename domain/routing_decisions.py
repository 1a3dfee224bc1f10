"""What was decided of an order's way, kept so that anybody can recompute it and see why not otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np

from domain.kernel.ids import new_id
from domain.routing.explanation import SiteReason, explain
from domain.routing.problem import Decision, Problem
from domain.routing.strategies import strategy_named
from domain.routing_lateness import Promised
from domain.routing_problem import RoutingFacts, SitedProblem, SiteRule, Supply, build
from domain.routing_settings import UNSET, RoutingReason

TIME_LIMIT_SECONDS = 2.0
"""Longest that one order may be thought about; what is found by then is taken, with its bound."""
MAX_SKUS = 20
"""Most SKUs that are kept of what one location lacks."""
HELD = "held"
"""The method of a decision that leaves everything where it is."""
Moves = Mapping[tuple[UUID, UUID], int]
"""Units by variant and location."""


class SiteNote(StrEnum):
    """What speaks against a location that was not chosen, besides the rules of SiteRule."""

    NO_STOCK = "NO_STOCK"
    """It has nothing of what is needed."""
    LACKS_STOCK = "LACKS_STOCK"
    """It has too little of some goods."""
    DEARER = "DEARER"
    """A plan with it costs more, or the strategy puts others first."""


@dataclass(frozen=True, slots=True)
class SiteFinding:
    """What a decision says of one location. Costs are in minor units, and parts of them."""

    location_id: UUID
    used: bool
    opening_cost: float
    units: tuple[tuple[str, int, float], ...] = ()
    """What it sends: SKU, units, cost of each."""
    extra_cost: float | None = None
    """How much more a plan with it costs at most; None where it has nothing or may not."""
    distance_km: float | None = None
    rules: tuple[tuple[SiteRule, tuple[str, ...]], ...] = ()
    """What forbids it, and for which SKUs where not for all."""
    notes: tuple[tuple[SiteNote, tuple[str, ...]], ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)
    """The stock price of a unit of what it sends, by SKU; what is not scarce has none."""


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """Which locations send an order, and why."""

    id: UUID
    order_id: UUID
    strategy: str
    reason: RoutingReason
    method: str
    currency: str
    cost: float
    price: float
    """What the stock taken is expected to cost later orders: nothing is paid for it, but it weighs."""
    bound: float
    """No plan costs less than this, price included."""
    proven: bool
    split_penalty: float
    sites: tuple[SiteFinding, ...]
    short: Mapping[str, int]
    """Units that no location could give, by SKU."""
    decided_at: datetime

    @property
    def recomputed_cost(self) -> float:
        """What the findings add up to: the cost, to a thousandth of a minor unit."""
        used = [site for site in self.sites if site.used]
        units = sum(count * each for site in used for _, count, each in site.units)
        parcels = sum(site.opening_cost for site in used)
        return parcels + units + self.split_penalty * max(0, len(used) - 1)

    @property
    def recomputed_price(self) -> float:
        """What the stock prices of the findings add up to: the price, to a thousandth of a minor unit."""
        return sum(count * site.prices.get(sku, 0.0) for site in self.sites for sku, count, _ in site.units)


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """A decision, and the units it takes by variant and location."""

    decision: RoutingDecision
    units: Moves
    short: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be routed: units by variant, what they are called, and where they go."""

    order_id: UUID
    demand: Mapping[UUID, int]
    skus: Mapping[UUID, str]
    country: str
    currency: str
    own: Supply
    """What the order has committed already, which counts as available to it."""
    refused: frozenset[UUID] = frozenset()
    """Locations that turned it down."""
    placed: bool = False
    """Whether its parts exist already, and count among those that their locations have of today."""
    promised: Promised | None = None
    """What the customer was told of when it arrives."""


def route(request: Request, facts: RoutingFacts, reason: RoutingReason, now: datetime) -> Routed:
    """Decide where an order is sent from.

    A channel that says nothing leaves units where they are held, as long as they may be sent from there.
    What no location may send stays where the order has it.
    """
    sited = _built(request, facts, now)
    if facts.settings is None:
        held = _as_held(sited, request)
        if held is not None:
            return routed_by(request, sited, held, UNSET, reason, now)
    decision = _decide(facts.strategy, sited)
    if decision.short.any() and request.own:
        short = {one: int(n) for one, n in zip(sited.variants, decision.short, strict=True) if n}
        again = _built(request, facts, now, kept=short)
        better = _decide(facts.strategy, again)
        if int(better.short.sum()) < int(decision.short.sum()):
            sited, decision = again, better
    return routed_by(request, sited, decision, facts.strategy, reason, now)


def left_in_place(request: Request, facts: RoutingFacts, routed: Routed, now: datetime) -> Routed:
    """Return the decision to leave an order's units where they are: the better plan could not be had."""
    sited = _built(request, facts, now, kept=request.demand)
    held = _as_held(sited, request, least_cost=routed.decision.bound)
    if held is None:
        raise ValueError("what is left in place serves the whole order")
    made = routed_by(request, sited, held, routed.decision.strategy, routed.decision.reason, now)
    return replace(made, decision=replace(made.decision, id=routed.decision.id))


def _built(
    request: Request, facts: RoutingFacts, now: datetime, *, kept: Mapping[UUID, int] | None = None
) -> SitedProblem:
    return build(
        request.demand,
        facts,
        request.own,
        country=request.country,
        now=now,
        refused=request.refused,
        placed=request.placed,
        kept=kept,
        promised=request.promised,
    )


def _decide(strategy: str, sited: SitedProblem) -> Decision:
    return strategy_named(strategy).decide(sited.problem, sited.facts, time_limit_seconds=TIME_LIMIT_SECONDS)


def _as_held(sited: SitedProblem, request: Request, least_cost: float | None = None) -> Decision | None:
    """Return the decision that leaves all as it is; None where that does not serve the order."""
    problem = sited.problem
    columns = {site.id: column for column, site in enumerate(sited.sites)}
    allocation = np.zeros_like(problem.supply)
    for row, variant in enumerate(sited.variants):
        for (one, location), units in request.own.items():
            if one == variant:
                allocation[row, columns[location]] = units
    if (allocation.sum(axis=1) != problem.demand).any() or (allocation > problem.supply).any():
        return None
    cost, price = problem.cost_of(allocation), problem.price_of(allocation)
    bound = cost + price if least_cost is None else min(least_cost, cost + price)
    proven = cost + price <= bound + 1e-9 * abs(cost + price)
    return Decision(allocation, cost, price, bound, proven, np.zeros_like(problem.demand), HELD)


def routed_by(
    request: Request,
    sited: SitedProblem,
    decision: Decision,
    strategy: str,
    reason: RoutingReason,
    now: datetime,
) -> Routed:
    """Return a decision about the problem of a request, with a finding for each location."""
    reasons = explain(sited.problem, decision)
    skus = [request.skus[one] for one in sited.variants]
    short = {one: int(units) for one, units in zip(sited.variants, decision.short, strict=True) if units > 0}
    rows, columns = np.nonzero(decision.allocation)
    units = {
        (sited.variants[row], sited.sites[column].id): int(decision.allocation[row, column])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    }
    made = RoutingDecision(
        new_id(),
        request.order_id,
        strategy,
        reason,
        decision.method,
        request.currency,
        decision.cost,
        decision.price,
        decision.bound,
        decision.proven,
        sited.problem.split_penalty,
        tuple(_finding(sited, decision, one, skus) for one in reasons),
        {request.skus[one]: units for one, units in short.items()},
        now,
    )
    return Routed(made, units, short)


def _finding(sited: SitedProblem, decision: Decision, found: SiteReason, skus: Sequence[str]) -> SiteFinding:
    column, problem = found.site, sited.problem
    opening = float(problem.opening_cost[column])
    km = sited.distances_km[column]
    site = SiteFinding(
        sited.sites[column].id, found.used, opening, distance_km=None if km is None else round(km, 1)
    )
    rules = _rules(sited, column, skus)
    if found.used:
        units = tuple(
            (skus[row], int(count), float(problem.unit_cost[row, column]))
            for row, count in enumerate(decision.allocation[:, column])
            if count
        )
        return replace(
            site, units=units, extra_cost=0.0, rules=rules, prices=_prices(problem, decision, column, skus)
        )
    if sited.excluded[column] is not None:
        return replace(site, rules=rules)
    if found.empty:
        return replace(site, rules=rules, notes=((SiteNote.NO_STOCK, ()),))
    lacking = tuple(skus[row] for row in found.missing[:MAX_SKUS])
    notes = ((SiteNote.LACKS_STOCK, lacking),) if lacking else ((SiteNote.DEARER, ()),)
    return replace(site, extra_cost=found.extra_cost, rules=rules, notes=notes)


def _prices(problem: Problem, decision: Decision, column: int, skus: Sequence[str]) -> dict[str, float]:
    if problem.stock_price is None:
        return {}
    return {
        skus[row]: price
        for row, price in enumerate(problem.stock_price[:, column].tolist())
        if price and decision.allocation[row, column]
    }


def _rules(
    sited: SitedProblem, column: int, skus: Sequence[str]
) -> tuple[tuple[SiteRule, tuple[str, ...]], ...]:
    rule = sited.excluded[column]
    if rule is not None:
        return ((rule, ()),)
    barred = sited.goods_excluded[column]
    return ((SiteRule.GOODS_NOT_ALLOWED, tuple(skus[row] for row in barred[:MAX_SKUS])),) if barred else ()


def sites_to_json(sites: Sequence[SiteFinding]) -> list[dict[str, Any]]:
    """Return findings as the record that is stored; what is empty is left out."""
    records = []
    for site in sites:
        record: dict[str, Any] = {"id": str(site.location_id), "opening": site.opening_cost}
        if site.used:
            record["units"] = [list(one) for one in site.units]
        if site.extra_cost is not None:
            record["extra"] = site.extra_cost
        if site.distance_km is not None:
            record["km"] = site.distance_km
        if site.rules:
            record["rules"] = [[rule.value, list(skus)] for rule, skus in site.rules]
        if site.prices:
            record["prices"] = site.prices
        if site.notes:
            record["notes"] = [[note.value, list(skus)] for note, skus in site.notes]
        records.append(record)
    return records


def sites_from_json(records: Sequence[Mapping[str, Any]]) -> tuple[SiteFinding, ...]:
    """Return the findings that `sites_to_json` made `records` of."""
    return tuple(
        SiteFinding(
            UUID(one["id"]),
            "units" in one,
            one["opening"],
            tuple((sku, count, each) for sku, count, each in one.get("units", ())),
            one.get("extra"),
            one.get("km"),
            tuple((SiteRule(rule), tuple(skus)) for rule, skus in one.get("rules", ())),
            tuple((SiteNote(note), tuple(skus)) for note, skus in one.get("notes", ())),
            one.get("prices", {}),
        )
        for one in records
    )
