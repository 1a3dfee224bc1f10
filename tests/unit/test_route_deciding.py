"""A large order is decided beside what the process serves, not in its way."""

import asyncio
import random
from datetime import UTC, datetime
from uuid import uuid4

from domain.routing_decisions import Request
from domain.routing_problem import Goods, RoutingFacts, Site
from domain.routing_settings import ChannelRouting, RoutingReason, SiteTerms
from services.route_deciding import decided

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
_SITES, _GOODS = 45, 4


async def test_others_are_served_while_a_large_order_is_decided() -> None:
    draw = random.Random(7)
    sites = tuple(
        Site(uuid4(), rank, terms=SiteTerms(draw.randint(300, 900), draw.randint(1, 90)))
        for rank in range(_SITES)
    )
    goods = {variant: Goods(variant, draw.randint(100, 3000)) for variant in (uuid4() for _ in range(_GOODS))}
    few = {
        (variant, site.id): draw.randint(1, 4) for variant in goods for site in sites if draw.random() < 0.5
    }
    facts = RoutingFacts(ChannelRouting(parcel_minor=100), sites, goods, few)
    request = Request(uuid4(), dict.fromkeys(goods, 8), {one: str(one) for one in goods}, "DE", "EUR", {})
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(somebody_else())
    routed = await decided(request, facts, RoutingReason.PLACED, NOW)
    other.cancel()

    assert routed.decision.method == "branch_and_bound"
    assert sum(routed.units.values()) == 8 * _GOODS
    assert turns > 10
