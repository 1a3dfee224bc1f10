"""Use cases of reading the ledger of money: an order's entries, a period's, and what they amount to."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.channels import Channel
from domain.kernel.errors import NotFound
from domain.kernel.moments import in_utc
from domain.kernel.money import exponent_of
from domain.kernel.quantities import is_storable
from persistence import ledger as rows
from persistence import ledger_check
from persistence import orders as order_rows
from persistence.ledger import Balance, Period, Recorded
from persistence.ledger_check import Unexplained
from services import channels, orders
from services.access import Permission, require
from services.context import ServiceContext
from services.orders import OrderRef

MOST_UNEXPLAINED = 1_000
"""Most differences one check reports."""


@dataclass(frozen=True, slots=True)
class BooksCheck:
    """What a comparison of the books with payments and orders found."""

    entries: int
    movements: int
    unexplained: list[Unexplained]


async def of_order(context: ServiceContext, ref: OrderRef) -> list[Recorded]:
    """Return every entry of an order, oldest first; raises NotFound."""
    require(context.actor, Permission.LEDGER_READ)
    order_id = ref.id
    if ref.token is not None:
        order_id = (await orders.get(context, ref)).id
    async with context.read() as connection:
        if ref.number is not None and is_storable(ref.number):
            order = await order_rows.by_number(connection, ref.number)
            order_id = order.id if order else None
        found = await rows.of_order(connection, order_id) if order_id else []
        if not found and (order_id is None or not await order_rows.by_ids(connection, [order_id])):
            raise NotFound("there is no such order", "ref")
    return found


async def page(
    context: ServiceContext,
    channel_slug: str | None,
    currency: str | None,
    since: datetime | None,
    until: datetime | None,
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[Recorded]:
    """Return entries of a period, oldest first, one more than the page has if there are more.

    Raises NotFound for the channel, and InvalidInput for a moment or currency.
    """
    period = await _period(context, channel_slug, currency, since, until)
    async with context.read() as connection:
        return await rows.page(connection, period, size + 1, after)


async def balances(
    context: ServiceContext,
    channel_slug: str | None,
    currency: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[Balance]:
    """Return every account over a period, by currency and in the order of the chart.

    Raises NotFound for the channel, and InvalidInput for a moment or currency.
    """
    period = await _period(context, channel_slug, currency, since, until)
    async with context.read() as connection:
        return await rows.balances(connection, period)


async def check(context: ServiceContext) -> BooksCheck:
    """Compare the books with what moved and what was ordered, as of one moment: writers may go on."""
    require(context.actor, Permission.LEDGER_READ)
    async with context.read() as connection:
        unexplained = await ledger_check.unexplained(connection, MOST_UNEXPLAINED)
        entries, movements = await ledger_check.size(connection)
    return BooksCheck(entries, movements, unexplained)


async def _period(
    context: ServiceContext,
    channel_slug: str | None,
    currency: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Period:
    require(context.actor, Permission.LEDGER_READ)
    channel: Channel | None = None
    if channel_slug is not None:
        channel = await channels.get(context, channel_slug)
    if currency is not None:
        exponent_of(currency)
    return Period(
        channel.id if channel else None,
        currency,
        None if since is None else in_utc(since, "from"),
        None if until is None else in_utc(until, "until"),
    )
