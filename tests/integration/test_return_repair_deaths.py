"""Repairs of which something goes wrong: lost units, and processes that die."""

from uuid import uuid4

import pytest

from domain.catalog import VariantRef
from domain.claims import ClaimKind, ClaimOutcome
from domain.fulfillment import FulfillmentOrderStatus
from domain.inventory import AdjustReason
from domain.returns import (
    Disposition,
    Grade,
    ReturnStatus,
    ReturnWish,
)
from persistence.database import Database
from services import (
    claims,
    inventory,
    return_repairs,
    return_settlement,
    stock_losses,
)
from services.access import Permission
from services.orders import OrderRef
from tests.checkouts import till
from tests.claimed import approve
from tests.factories import make_app, make_context
from tests.mortal import Death, Died, Mortal
from tests.payments import staff
from tests.repaired import BROKEN, at_the_bench, check_books, part_of, repaired
from tests.sent_back import (
    DESK,
    ask_for,
    bring_back,
    deliver,
    desk,
    lines_of,
    look_at,
)
from tests.shipping import fulfill

REPAIR = ReturnWish.REPAIR


async def test_what_is_lost_at_the_bench_or_on_its_way_is_seen_and_made_good(database: Database) -> None:
    shop, order, seen = await at_the_bench(database)
    done = await repaired(database, seen)
    place = shop.locations[0].code
    stockist = make_context(database)
    await inventory.adjust(
        stockist, VariantRef(sku=shop.variant.sku), place, -9, AdjustReason.LOST, str(uuid4())
    )
    lost = await part_of(database, done)
    assert (lost.status, lost.lines[0].quantity_short) == (FulfillmentOrderStatus.ON_HOLD, 1)
    await check_books(database)
    await inventory.adjust(
        stockist, VariantRef(sku=shop.variant.sku), place, 3, AdjustReason.CORRECTION, str(uuid4())
    )
    await stock_losses.refill(stockist)
    sent = await fulfill(
        till(database, make_app(Permission.FULFILLMENT_WRITE)), await part_of(database, done)
    )

    await deliver(database, order.id)

    wanted = claims.Wanted(
        sent.shipments[0].id, ClaimKind.DAMAGED, ClaimOutcome.RESHIP, [(seen.lines[0].order_line_id, 1)]
    )
    made = await claims.create(staff(database), OrderRef(id=order.id), wanted, str(uuid4()))
    await approve(database, made)

    assert (await lines_of(database, order.id))[0].quantity_shipped == 1
    await check_books(database)


async def test_whichever_commit_its_process_dies_at_it_is_sent_back_or_paid_once(database: Database) -> None:
    shop, order, seen = await at_the_bench(database, 1, 3)
    clerk = make_app(*DESK)
    for when in Death:
        found, dying = seen, Mortal(database, 1, when)
        with pytest.raises(Died):
            await repaired(database, found, till(dying, clerk), key=when.value)
        done = await repaired(database, found, till(database, clerk), key=when.value)
        assert done.status is ReturnStatus.CLOSED
        await check_books(database)
        found = await ask_for(database, order, 1, wish=REPAIR, reason=BROKEN)
        here = await bring_back(database, found, shop.locations[0].code)
        seen = await look_at(database, here, Disposition.PROCESSING_REQUIRED, Grade.DAMAGED)
    with pytest.raises(Died):
        await return_repairs.give_up(
            till(Mortal(database, 1, Death.AFTER), clerk), seen.id, ReturnWish.STORE_CREDIT, "no parts", None
        )
    assert await return_settlement.settle_due(desk(database)) == 1
    ended = await return_repairs.give_up(
        till(database, clerk), seen.id, ReturnWish.STORE_CREDIT, "no parts", None
    )
    assert (ended.status, ended.credit_minor) == (ReturnStatus.CLOSED, 1167)
    await check_books(database)
