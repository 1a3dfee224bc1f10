"""Use cases of product lists."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from domain import product_lists as decide
from domain.channels import Channel, is_slug, money_in
from domain.kernel.errors import NotFound, under
from domain.kernel.money import Amount
from domain.product_lists import ProductFilter, ProductOrder
from persistence import product_lists as rows
from services import channels
from services.access import Permission, require
from services.context import ServiceContext


@dataclass(frozen=True, slots=True)
class PriceRange:
    """From `least` to `most`, both included, in the channel's currency; None is open."""

    least: Decimal | None = None
    most: Decimal | None = None


async def page(
    context: ServiceContext,
    channel_slug: str,
    order: ProductOrder,
    narrowed: ProductFilter,
    prices: PriceRange,
    size: int,
    after: tuple[Any, ...] | None,
) -> tuple[Channel, Sequence[Row[*tuple[Any, ...]]]]:
    """Return the channel and the rows of one product more than the page has, if there are more.

    Raises NotFound for the channel, InvalidInput for the filter, and AccessDenied when what only
    staff may see is asked for: archived products, or those the channel does not sell yet.
    """
    if narrowed.archived or narrowed.unpriced:
        require(context.actor, Permission.CATALOG_WRITE)
    with under("filter"):
        narrowed = replace(
            narrowed, search=decide.check_search(narrowed.search), skus=decide.check_skus(narrowed.skus)
        )
    if prices.least is not None or prices.most is not None:
        narrowed = await _within(context, channel_slug, narrowed, prices)
    found: Sequence[Row[*tuple[Any, ...]]] = ()
    if is_slug(channel_slug):
        async with context.read() as connection:
            found = await rows.page(connection, channel_slug, order, narrowed, size + 1, after)
    if not found:
        raise NotFound("no channel has this slug", "channel")
    channel = rows.channel_of(found[0])
    return channel, found if found[0].product_id is not None else ()


async def _within(
    context: ServiceContext, channel_slug: str, narrowed: ProductFilter, prices: PriceRange
) -> ProductFilter:
    channel = await channels.get(context, channel_slug)
    with under("filter"):
        return replace(
            narrowed,
            min_price_minor=_minor(channel, prices.least, "minPrice"),
            max_price_minor=_minor(channel, prices.most, "maxPrice"),
        )


def _minor(channel: Channel, amount: Decimal | None, field: str) -> int | None:
    if amount is None:
        return None
    return money_in(channel, Amount(amount, channel.currency), field).amount_minor
