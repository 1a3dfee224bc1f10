"""Decisions as they are stored: never more than there is, and adding up to what they say."""

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.routing.strategies import STRATEGIES
from domain.routing_decisions import Request, Routed, route, sites_from_json, sites_to_json
from domain.routing_problem import Goods, RoutingFacts, Site
from domain.routing_settings import ChannelRouting, RoutingReason, SiteTerms

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
VARIANTS = [UUID(int=number) for number in range(1, 4)]
PLACES = st.one_of(st.none(), st.tuples(st.floats(-60, 60), st.floats(-180, 180)))
COSTS = st.integers(0, 2000)


@st.composite
def orders(draw: st.DrawFn) -> tuple[Request, RoutingFacts]:
    """Draw an order and what may be known of its channel, its locations and their stock."""
    sites = tuple(
        Site(
            UUID(int=100 + rank),
            rank,
            draw(PLACES),
            ships=draw(st.integers(0, 4)) > 0,
            tags=frozenset({"cold"}) if draw(st.booleans()) else frozenset(),
            terms=SiteTerms(draw(COSTS), draw(st.integers(0, 50)), draw(st.sampled_from([None, 1, 7]))),
        )
        for rank in range(draw(st.integers(1, 5)))
    )
    goods = {one: Goods(one, draw(st.integers(0, 9000))) for one in VARIANTS}
    if draw(st.booleans()):
        goods[VARIANTS[0]] = Goods(VARIANTS[0], 100, frozenset({"cold"}))
    units = st.integers(0, 6)
    available = {(variant, site.id): draw(units) for variant in VARIANTS for site in sites}
    own = {(variant, draw(st.sampled_from(sites)).id): 1 + draw(units) for variant in VARIANTS}
    demand = {variant: count for (variant, _), count in own.items()}
    terms = None
    if draw(st.integers(0, 4)):
        terms = ChannelRouting(
            draw(st.sampled_from(list(STRATEGIES))), draw(COSTS), draw(COSTS), draw(st.integers(0, 300)),
            draw(st.integers(0, 90)), draw(st.integers(0, 9)), draw(st.integers(0, 90)),
        )  # fmt: skip
    skus = {one: f"SKU-{one.int}" for one in VARIANTS}
    request = Request(UUID(int=1), demand, skus, "DE", "EUR", own)
    price = st.floats(0, 900).map(lambda one: one if one > 100 else 0.0)
    prices = {place: draw(price) for place in available} if draw(st.booleans()) else {}
    return request, RoutingFacts(terms, sites, goods, available, draw(PLACES), prices)


def decided(request: Request, facts: RoutingFacts) -> Routed:
    return route(request, facts, RoutingReason.PLACED, NOW)


@settings(max_examples=150, deadline=None)
@given(orders())
def test_what_was_held_is_always_served_from_what_is_there(drawn: tuple[Request, RoutingFacts]) -> None:
    request, facts = drawn
    routed = decided(request, facts)
    for (variant, location), units in routed.units.items():
        there = facts.available.get((variant, location), 0) + request.own.get((variant, location), 0)
        assert 0 < units <= there
    sent = {one: sum(n for (v, _), n in routed.units.items() if v == one) for one in VARIANTS}
    assert sent == request.demand
    assert not routed.short


@settings(max_examples=150, deadline=None)
@given(orders())
def test_a_stored_decision_recomputes_to_its_cost(drawn: tuple[Request, RoutingFacts]) -> None:
    decision = decided(*drawn).decision
    stored = sites_from_json(orjson.loads(orjson.dumps(sites_to_json(decision.sites))))
    assert stored == decision.sites
    assert decision.recomputed_cost == pytest.approx(decision.cost, abs=1e-3)
    assert decision.recomputed_price == pytest.approx(decision.price, abs=1e-3)
    assert decision.bound <= decision.cost + decision.price + 1e-6
    for site in stored:
        assert site.used == bool(site.units)
        assert site.used or site.rules or site.notes, "a location that was not chosen has its reason"
