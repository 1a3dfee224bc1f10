"""Returns that are to be repaired, for tests of them."""

from typing import Any
from uuid import uuid4

from domain.fulfillment import FulfillmentOrder
from domain.orders import Order
from domain.returns import (
    Disposition,
    Grade,
    Return,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
)
from persistence.database import Database
from services import (
    ledger_reports,
    return_repairs,
    stock_ledger,
)
from services.context import ServiceContext
from tests.checkouts import Shop, make_stocked_shop
from tests.payments import staff
from tests.sent_back import (
    arrived_order,
    ask_for,
    bring_back,
    desk,
    let_return,
    look_at,
)
from tests.shipping import check_units, parts_of

BROKEN = ReturnReason.DEFECTIVE


async def at_the_bench(
    database: Database, units: int = 1, of: int = 2, **inspection: Any
) -> tuple[Shop, Order, Return]:
    """Return a shop, its order of some units, and a return of them for a repair that was looked at."""
    await let_return(database, repair=True)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, of, shop=shop)
    found = await ask_for(database, order, units, wish=ReturnWish.REPAIR, reason=BROKEN)
    assert found.status is ReturnStatus.APPROVED, found.verdict
    here = await bring_back(database, found, shop.locations[0].code)
    looked = {"disposition": Disposition.PROCESSING_REQUIRED, "grade": Grade.DAMAGED, **inspection}
    return shop, order, await look_at(database, here, **looked)


async def repaired(
    database: Database, found: Return, clerk: ServiceContext | None = None, **changes: Any
) -> Return:
    """Let staff send what was repaired back."""
    wanted = {"note": None, "expected_version": None, "key": str(uuid4()), **changes}
    return await return_repairs.finish(clerk or desk(database), found.id, **wanted)


async def part_of(database: Database, found: Return) -> FulfillmentOrder:
    """Return what sends the units of a repaired return back."""
    parts = (await parts_of(database, found.order_id)).fulfillment_orders
    return next(one for one in parts if one.id == found.fulfillment_order_id)


async def check_books(database: Database) -> None:
    """Assert that stock, units and money agree."""
    await check_units(database)
    assert (await stock_ledger.check(staff(database))).discrepancies == []
    assert (await ledger_reports.check(staff(database))).unexplained == []
