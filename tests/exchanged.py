"""Returns that wish for another article, and the orders that replace what comes back, for tests."""

from uuid import uuid4

from domain.catalog import Variant, VariantRef
from domain.fulfillment import FulfillmentOrderStatus
from domain.orders import Order
from domain.return_requests import AskedLine
from domain.returns import Return, ReturnReason, ReturnStatus, ReturnWish
from persistence.database import Database
from services import returns
from tests.checkouts import Shop, make_stocked_shop
from tests.factories import give_stock, make_variant
from tests.sent_back import arrived_order, desk, let_return, lines_of, shopper
from tests.shipping import order_of, part_at


async def exchange_shop(database: Database, stock: int = 10) -> tuple[Shop, Order]:
    """Return a shop that lets everything be returned, and an order of two units that has arrived."""
    await let_return(database)
    shop = await make_stocked_shop(database, stock)
    return shop, await arrived_order(database, 2, shop=shop)


async def another_article(database: Database, shop: Shop, price: str, units: int = 5) -> Variant:
    """Return another article of the shop."""
    made = await make_variant(database, shop.channel, price=price)
    await give_stock(database, made, shop.locations[0], units)
    return made


async def exchange_for(database: Database, order: Order, variant: Variant) -> Return:
    """Let the shopper ask for another article instead of one unit."""
    context, ref = shopper(database, order)
    (line,) = await lines_of(database, order.id)
    asked = AskedLine(line.id, 1, ReturnReason.SIZE, exchange_for=VariantRef(id=variant.id))
    made = await returns.request(context, ref, [asked], ReturnWish.EXCHANGE, None, str(uuid4()))
    if made.status is ReturnStatus.REQUESTED:
        # Of what was exchanged before staff decide.
        made = await returns.decide_on(
            desk(database), made.id, approve=True, note=None, expected_version=None
        )
    return made


async def replacement_of(database: Database, found: Return) -> Order:
    """Return the order that replaces what a return brings back."""
    assert found.exchange_order_id is not None
    return await order_of(database, found.exchange_order_id)


async def part_status(database: Database, order: Order) -> FulfillmentOrderStatus:
    """Return the status of an order's only part."""
    return (await part_at(database, order.id)).status
