"""Orders that have arrived, and what comes back of them, for tests of returns."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from domain.kernel.ids import new_id
from domain.orders import Order, OrderLine
from domain.return_policies import ReturnPolicy
from domain.return_receipts import Look
from domain.return_requests import AskedLine
from domain.returns import Disposition, Grade, Return, ReturnReason, ReturnWish
from persistence import order_parts, return_policies
from persistence.database import Database
from services import return_receipts, returns
from services.access import ANONYMOUS, Permission
from services.context import ServiceContext
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_stocked_shop, order_now, till
from tests.factories import make_app
from tests.shipping import fulfill, order_of, part_at

DESK = (
    Permission.RETURNS_READ,
    Permission.RETURNS_WRITE,
    Permission.RETURNS_ADJUST,
    Permission.PAYMENTS_WRITE,
)
_BY_ITSELF = 1_000_000


def desk(database: Database, **changes: Any) -> ServiceContext:
    """Return the context of staff who see to returns."""
    return till(database, make_app(*DESK), **changes)


async def let_return(database: Database, **rules: Any) -> None:
    """Let everything be returned, its money given back without staff."""
    policy = ReturnPolicy(**{"auto_refund_most_minor": _BY_ITSELF, **rules})
    async with database.transaction() as connection:
        await return_policies.set_policy(connection, new_id(), policy)


async def arrived_order(
    database: Database, quantity: int = 2, *, days_ago: float = 1, shop: Shop | None = None, **cart: Any
) -> Order:
    """Return a paid order that was sent and delivered some days ago."""
    shop = shop or await make_stocked_shop(database, 10)
    placed = await order_now(database, shop, quantity, **cart)
    assert placed.order is not None
    sender = till(database, make_app(Permission.FULFILLMENT_WRITE))
    await fulfill(sender, await part_at(database, placed.order.id))
    await deliver(database, placed.order.id, days_ago)
    return await order_of(database, placed.order.id)


async def deliver(database: Database, order_id: UUID, days_ago: float = 1) -> None:
    """Let an order's parcels have been delivered some days ago, as their carrier would have said."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    await run_sql(
        database,
        "UPDATE shipments SET status = 'DELIVERED', delivered_at = :at, shipped_at = :sent"
        " WHERE order_id = :id RETURNING id",
        at=at,
        sent=at - timedelta(days=2),
        id=order_id,
    )


async def lines_of(database: Database, order_id: UUID) -> list[OrderLine]:
    """Return an order's lines as they are."""
    async with database.read() as connection:
        return (await order_parts.lines_of(connection, [order_id]))[order_id]


def shopper(database: Database, order: Order, **changes: Any) -> tuple[ServiceContext, OrderRef]:
    """Return the context of whoever holds an order's token, and the order as they name it."""
    context = till(database, ANONYMOUS, **changes)
    token = context.environment.tokens.sign("order", order.id, order.token_generation)
    return context, OrderRef(token=token)


async def ask_for(
    database: Database,
    order: Order,
    units: int = 1,
    *,
    reason: ReturnReason = ReturnReason.CHANGED_MIND,
    wish: ReturnWish = ReturnWish.REFUND,
    email: str | None = None,
    key: str | None = None,
    **changes: Any,
) -> Return:
    """Let the shopper ask to return units of the order's first line."""
    context, ref = shopper(database, order, **changes)
    line = (await lines_of(database, order.id))[0]
    asked = [AskedLine(line.id, units, reason)]
    return await returns.request(context, ref, asked, wish, email, key or str(uuid4()))


async def bring_back(database: Database, found: Return, location_code: str, **changes: Any) -> Return:
    """Let all units of a return arrive at a location."""
    units = {line.id: line.quantity for line in found.lines}
    return await return_receipts.receive(
        desk(database, **changes), found.id, location_code, units, None, str(uuid4())
    )


async def look_at(
    database: Database,
    found: Return,
    disposition: Disposition = Disposition.RESTOCKED,
    grade: Grade = Grade.AS_NEW,
    **changes: Any,
) -> Return:
    """Let staff look at all units of a return, found alike."""
    looks = [Look(line.id, line.quantity, disposition, grade) for line in found.lines]
    return await return_receipts.inspect(desk(database, **changes), found.id, looks, None, str(uuid4()))
