"""Deciding where an order is sent from without keeping everybody else waiting."""

import asyncio
from datetime import datetime

from domain import routing_decisions
from domain.routing.deciding import SEARCHED_SITES
from domain.routing_decisions import Request, Routed
from domain.routing_problem import RoutingFacts
from domain.routing_settings import RoutingReason


async def decided(request: Request, facts: RoutingFacts, reason: RoutingReason, now: datetime) -> Routed:
    """Decide (`domain.routing_decisions.route`); in a thread where it may take longer than handing it over.

    With few locations it is a matter of a millisecond. With more than the exact search takes, HiGHS may think
    up to the time limit, and is imported for the first of them: the process serves others meanwhile.
    """
    if len(facts.sites) <= SEARCHED_SITES:
        return routing_decisions.route(request, facts, reason, now)
    return await asyncio.to_thread(routing_decisions.route, request, facts, reason, now)
