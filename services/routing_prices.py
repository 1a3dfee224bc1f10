"""Learning what scarce stock is worth, every night, of the channels that charge it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from domain import routing_prices as decide
from domain.channels import is_slug
from domain.kernel.errors import NotFound
from persistence import channels
from persistence import routing_prices as rows
from services.access import Permission, require
from services.context import ServiceContext

VARIANTS_AT_ONCE = 1_000
"""Variants that are looked at together: what is in memory at once."""
MOST_ORDERS = 2_000
"""Orders that places and sizes are taken from, of those with any of these variants; the newest."""
_RESUMED = timedelta(hours=20)
"""How old a run that was broken off may be to be gone on with."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Learned:
    """How many variants were looked at, and how many prices came of it, over their locations."""

    variants: int
    prices: int


async def learn_due(context: ServiceContext) -> int:
    """Learn the prices of channels that have not since the last time it was the hour for it.

    Returns how many channels.
    """
    require(context.actor, Permission.ROUTING_WRITE)
    since = last_at(context.environment.stock_price_hour, context.now())
    async with context.read() as connection:
        waiting = await rows.due(connection, since)
    for channel_id in waiting:
        done = await _learn(context, channel_id)
        _log.info(
            "stock_prices_learned", channel_id=str(channel_id), variants=done.variants, prices=done.prices
        )
    return len(waiting)


async def learn_now(context: ServiceContext, slug: str) -> Learned:
    """Learn the prices of a channel now, whether it charges them or not; raises NotFound."""
    require(context.actor, Permission.ROUTING_WRITE)
    async with context.read() as connection:
        channel = await channels.by_slug(connection, slug) if is_slug(slug) else None
    if channel is None:
        raise NotFound("no channel has this slug", "channel")
    return await _learn(context, channel.id)


def last_at(hour: int, now: datetime) -> datetime:
    """Return when it was this hour (0 to 23, UTC) the last time."""
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)


async def _learn(context: ServiceContext, channel_id: UUID) -> Learned:
    """Learn batch by batch, each written by itself; three statements and the deciding, then one."""
    since = context.now() - timedelta(days=context.environment.stock_price_days)
    async with context.transaction() as transaction:
        run = await rows.begin(
            transaction.connection, channel_id, resumed_since=transaction.now - _RESUMED, now=transaction.now
        )
    after_id, variants, prices = run.after_id, run.variants, run.prices
    while True:
        async with context.read() as connection:
            sold = await rows.sold(connection, channel_id, since, after_id, VARIANTS_AT_ONCE)
            if not sold:
                break
            facts = await rows.facts(connection, channel_id, sold, context.now())
            past = await rows.past(connection, channel_id, since, sold, MOST_ORDERS)
        found = await asyncio.to_thread(decide.learn, sold, past, facts, context.now())
        after_id = list(sold)[-1]
        variants, prices = variants + len(sold), prices + len(found)
        async with context.transaction() as transaction:
            await rows.save(
                transaction.connection, channel_id, sold, found, after_id=after_id, now=transaction.now
            )
    async with context.transaction() as transaction:
        await rows.finish(transaction.connection, channel_id, run.started_at, transaction.now)
    return Learned(variants, prices)
