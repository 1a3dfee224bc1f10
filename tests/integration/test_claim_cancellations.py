"""Claims that are withdrawn: nothing is sent or paid any more, and their units are as they were."""

import asyncio
from typing import Any

import pytest

from domain.claims import Claim, ClaimKind, ClaimOutcome, ClaimStatus
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderStatus
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound, VersionConflict
from domain.orders import Order, OrderStatus
from domain.returns import ReturnStatus
from persistence import returns as return_rows
from persistence.database import Database
from services import claim_cancellations, fulfillment, return_settlement
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, make_stocked_shop, till
from tests.claimed import PICTURE, approve, check_all, claim, let_be_lost, the_claim
from tests.factories import make_app
from tests.sent_back import arrived_order, ask_for, desk, let_return, lines_of, shopper
from tests.shipping import fulfill, order_of, parts_of
from tests.statements import count_statements

DAMAGED, LOST = ClaimKind.DAMAGED, ClaimKind.LOST_IN_TRANSIT


async def test_a_reshipment_that_nobody_has_begun_is_withdrawn_without_a_trace(database: Database) -> None:
    _, order = await _shop(database)
    await let_be_lost(database, order, days=11)
    made = await claim(database, order, 2, LOST)
    assert (made.outcome, await _stock(database)) == (ClaimOutcome.RESHIP, (6, 2))

    with count_statements(database) as canceling:
        gone = await _cancel_as_shopper(database, order, made)
    assert await _cancel_as_shopper(database, order, made) == gone
    assert len(canceling) == 14, canceling

    assert (gone.status, gone.outcome, gone.version) == (ClaimStatus.CANCELED, None, made.version + 1)
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED
    assert (await lines_of(database, order.id))[0].quantity_shipped == 2
    assert await _stock(database) == (8, 0)
    assert (await _part(database, order, made)).status is FulfillmentOrderStatus.CANCELED
    told = [kind for kind, _ in await events(database, order.id)]
    assert (told.count("ClaimCanceled"), told[-2:]) == (1, ["OrderCompleted", "ClaimCanceled"])
    # Withdrawn it is no earlier claim, and its units may be claimed anew, or returned.
    again = await claim(database, order, 1, LOST)
    assert again.status is ClaimStatus.APPROVED, again.verdict
    await ask_for(database, order, 1)
    await check_all(database)


async def test_what_is_picked_or_sent_again_is_not_withdrawn(database: Database) -> None:
    _, order = await _shop(database)
    await let_be_lost(database, order, days=11)
    made = await claim(database, order, 2, LOST)
    part = await _part(database, order, made)
    sender = till(database, make_app(Permission.FULFILLMENT_WRITE))
    changed = await fulfillment.split(sender, part.id, {part.lines[0].id: 1}, None, "split")
    await fulfill(sender, changed.parts[1])
    with pytest.raises(IllegalTransition):
        await _cancel_as_shopper(database, order, made)
    await check_all(database)
    assert (await the_claim(database, made)).status is ClaimStatus.APPROVED


async def test_a_refund_is_withdrawn_until_it_is_asked_for(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    order = await arrived_order(database, 2)
    waiting = await claim(database, order, 1, DAMAGED, ClaimOutcome.REFUND, photos=PICTURE)
    clerk = till(database, make_app(Permission.RETURNS_READ, Permission.RETURNS_WRITE))
    granted = await approve(database, waiting, context=clerk)
    assert granted.return_id is not None
    assert (await lines_of(database, order.id))[0].quantity_returned == 1

    canceled, paid = await asyncio.gather(
        claim_cancellations.cancel(desk(database), None, granted.id, "it was found", None),
        return_settlement.refund(desk(database), granted.return_id, None, None, "refund"),
        return_exceptions=True,
    )

    async with database.read() as connection:
        back = (await return_rows.by_ids(connection, [granted.return_id]))[granted.return_id]
    (payment,) = (await parts_of(database, order.id)).payments
    (line,) = await lines_of(database, order.id)
    if isinstance(canceled, Claim):
        assert isinstance(paid, IllegalTransition)
        assert (back.status, payment.refunded_minor, line.quantity_returned) == (ReturnStatus.CANCELED, 0, 0)
        assert canceled.note == "it was found"
    else:
        assert isinstance(canceled, IllegalTransition)
        assert (back.status, payment.refunded_minor) == (ReturnStatus.CLOSED, back.refund_minor)
        assert line.quantity_returned == 1
    await check_all(database)


async def test_only_who_holds_the_order_or_staff_with_a_reason_withdraw_it(database: Database) -> None:
    shop, order = await _shop(database)
    other = await arrived_order(database, 1, shop=shop)
    made = await claim(database, order, 1, DAMAGED)
    with pytest.raises(NotFound):
        await _cancel_as_shopper(database, other, made)
    with pytest.raises(InvalidInput) as refused:
        await claim_cancellations.cancel(desk(database), None, made.id, None, None)
    assert refused.value.path == ("reason",)
    with pytest.raises(VersionConflict):
        await claim_cancellations.cancel(desk(database), None, made.id, "no", 99)
    gone = await claim_cancellations.cancel(desk(database), None, made.id, "no", made.version)
    assert (gone.status, gone.note) == (ClaimStatus.CANCELED, "no")
    (trail,) = await run_sql(database, "SELECT action FROM audit_entries WHERE target_kind = 'claim'")
    assert trail.action == "ClaimCanceled"
    with pytest.raises(IllegalTransition):
        await approve(database, made)


async def _shop(database: Database) -> tuple[Shop, Order]:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    return shop, await arrived_order(database, 2, shop=shop)


async def _cancel_as_shopper(database: Database, order: Order, found: Claim) -> Claim:
    context, ref = shopper(database, order)
    return await claim_cancellations.cancel(context, ref, found.id, None, None)


async def _part(database: Database, order: Order, found: Claim) -> FulfillmentOrder:
    parts = (await parts_of(database, order.id)).fulfillment_orders
    return next(one for one in parts if one.id == found.fulfillment_order_id)


async def _stock(database: Database) -> tuple[Any, ...]:
    (row,) = await run_sql(database, "SELECT available, committed FROM stock_levels")
    return tuple(row)
