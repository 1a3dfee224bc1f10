"""Units of claims among all else that may become of them: none twice, none forgotten."""

import pytest

from domain.claim_arrivals import ClaimWork
from domain.claims import Claim, ClaimKind, ClaimOutcome, ClaimStatus
from domain.fulfillment import DeliveryMethod
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.orders import Order, OrderStatus
from domain.returns import ReturnWish
from persistence.database import Database
from services import claim_arrivals, claims, returns
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.claimed import PICTURE, approve, check_all, claim, let_be_judged, let_be_lost
from tests.factories import make_app
from tests.pickups import code_for, collected_order, give_out, make_ready, make_store_shop
from tests.sent_back import arrived_order, ask_for, bring_back, deliver, desk, let_return, look_at
from tests.shipping import fulfill, order_of, part_at, parts_of

DAMAGED, LOST = ClaimKind.DAMAGED, ClaimKind.LOST_IN_TRANSIT
REFUND, RESHIP = ClaimOutcome.REFUND, ClaimOutcome.RESHIP


async def test_a_return_that_was_given_up_does_not_take_back_what_is_claimed_since(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    given_up = await ask_for(database, order)
    await returns.cancel(desk(database), None, given_up.id, None, None)
    waiting = await claim(database, order, 1, DAMAGED)
    assert waiting.status is ClaimStatus.REQUESTED
    with pytest.raises(IllegalTransition):
        await bring_back(database, given_up, shop.locations[0].code)


async def test_what_is_lost_again_is_sent_again_and_in_the_end_refunded_once(database: Database) -> None:
    await let_return(database)
    await let_be_judged(database, most_by_itself=10)
    order = await arrived_order(database, 2, shop=await make_stocked_shop(database, 10))
    for parcel in range(2):
        await let_be_lost(database, order, days=11)
        assert (await claim(database, order, 2, LOST, parcel=parcel)).outcome is RESHIP
        await _send(database, order)
    await let_be_lost(database, order, days=11)
    done = await claim(database, order, 2, LOST, REFUND, parcel=2)
    assert done.status is ClaimStatus.APPROVED
    (payment,) = (await parts_of(database, order.id)).payments
    assert payment.captured_minor == payment.refunded_minor == order.total_minor
    # Two units sold, and six gone.
    (level,) = await run_sql(database, "SELECT available, committed FROM stock_levels")
    assert tuple(level) == (4, 0)
    await check_all(database)


async def test_what_came_in_exchange_is_claimed_as_anything_else(database: Database) -> None:
    await let_return(database)
    await let_be_judged(database, most_by_itself=10)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    asked = await ask_for(database, order, 2, wish=ReturnWish.EXCHANGE)
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert asked.exchange_order_id is not None
    replacement = await order_of(database, asked.exchange_order_id)
    await _send(database, replacement)
    again = await claim(database, replacement, 1, DAMAGED, RESHIP, photos=PICTURE)
    assert again.status is ClaimStatus.APPROVED, again.verdict
    back = await claim(database, replacement, 1, DAMAGED, REFUND, photos=PICTURE)
    assert back.status is ClaimStatus.APPROVED
    payments = (await parts_of(database, replacement.id)).payments
    assert [(one.provider, one.refunded_minor) for one in payments] == [("store_credit", 1000)]
    await _send(database, replacement)
    assert (await order_of(database, replacement.id)).status is OrderStatus.COMPLETED
    await check_all(database)


async def test_what_was_collected_is_collected_again_where_it_was(database: Database) -> None:
    await let_return(database)
    shop = await make_store_shop(database, 10, 10)
    order, part = await collected_order(database, shop)
    sent = await make_ready(database, part)
    await give_out(database, part, code_for(database, sent))
    waiting = await claim(database, order, 1, DAMAGED)
    with pytest.raises(InvalidInput) as refused:
        await approve(database, waiting, location_code=shop.locations[0].code)
    assert refused.value.path == ("locationCode",)
    made = await approve(database, waiting)
    again = next(
        one
        for one in (await parts_of(database, order.id)).fulfillment_orders
        if one.id == made.fulfillment_order_id
    )
    assert (again.delivery_method, again.location_id) == (DeliveryMethod.PICKUP, shop.locations[1].id)
    sent = await make_ready(database, again)
    await give_out(database, again, code_for(database, sent))
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED


async def test_only_a_place_that_sends_parcels_sends_again(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10, 10)
    order = await arrived_order(database, 1, shop=shop)
    await run_sql(database, "UPDATE locations SET ships = false WHERE id = :id", id=shop.locations[0].id)
    waiting = await claim(database, order, 1, DAMAGED)
    with pytest.raises(InvalidInput):
        await approve(database, waiting, location_code=shop.locations[0].code)
    made = await approve(database, waiting)
    parts = (await parts_of(database, order.id)).fulfillment_orders
    (again,) = [one for one in parts if one.id == made.fulfillment_order_id]
    assert again.location_id == shop.locations[1].id


async def test_an_imported_order_is_completed_again_when_what_was_sent_again_has_left(
    database: Database,
) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    await run_sql(database, "UPDATE orders SET imported = true")
    await approve(database, await claim(database, order, 1, DAMAGED), outcome=RESHIP)
    assert (await order_of(database, order.id)).status is OrderStatus.OPEN
    await _send(database, order)
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED


async def test_what_was_lost_and_arrives_after_all_stays_on_a_list_until_a_person_has_seen_to_it(
    database: Database,
) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    await let_be_lost(database, order, days=11)
    made = await claim(database, order, 1, LOST)
    with pytest.raises(IllegalTransition):
        await claim_arrivals.dismiss(desk(database), made.id, None, None)

    async def waiting() -> list[Claim]:
        return await claims.page(desk(database), 10, None, None, ClaimWork.ARRIVED_AFTER_ALL)

    assert await waiting() == []
    await deliver(database, order.id)
    assert [one.id for one in await waiting()] == [made.id]
    seen = await claim_arrivals.dismiss(desk(database), made.id, "asked for it back", made.version)
    assert (await claim_arrivals.dismiss(desk(database), made.id, None, made.version)).version == seen.version
    assert (seen.note, await waiting()) == ("asked for it back", [])


async def test_what_is_given_back_for_a_claim_was_not_kept_in_pieces(database: Database) -> None:
    await let_return(database, keep_below_minor=1500)
    await let_be_judged(database, most_by_itself=10)
    order = await arrived_order(database, 3)
    for _ in range(2):
        assert (
            await claim(database, order, 1, DAMAGED, REFUND, photos=PICTURE)
        ).status is ClaimStatus.APPROVED
    (payment,) = (await parts_of(database, order.id)).payments
    assert payment.refunded_minor == 2333
    # Nor does that make a small return a part of a larger one.
    kept = await ask_for(database, order)
    assert kept.keeps_items
    (payment,) = (await parts_of(database, order.id)).payments
    assert payment.refunded_minor == order.total_minor


async def test_a_parcel_whose_carrier_contradicts_itself_is_looked_at(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    await run_sql(database, "UPDATE shipments SET delivered_at = NULL RETURNING id")
    made = await claim(database, order, 1, DAMAGED, REFUND, photos=PICTURE)
    assert made.status is ClaimStatus.REQUESTED, made.verdict


async def _send(database: Database, order: Order) -> None:
    """Let all that is to be sent of an order leave, and arrive."""
    sender = till(database, make_app(Permission.FULFILLMENT_WRITE))
    await fulfill(sender, await part_at(database, order.id, -1))
    await deliver(database, order.id)
