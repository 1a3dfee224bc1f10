"""Orders paid with several means: what comes from outside goes back first, our own books at once."""

from uuid import UUID

from domain.orders import Order
from domain.payments import Payment
from persistence.database import Database
from providers.payments.sandbox import charges
from services import orders, payment_changes
from services.orders import OrderRef
from services.payment_captures import capture_for_shipment
from tests.cart_flows import run_sql
from tests.checkouts import events, make_ready_cart, make_stocked_shop
from tests.payments import dollars, paid_order, payment_now, staff, transactions
from tests.stored import apply_cards, apply_credit, assert_balanced, buy, give_credit, make_card


async def order_of_three_tenders(
    database: Database, *, captured: bool = True
) -> tuple[Order, Payment, UUID, UUID]:
    """Return an order of 45 dollars: 10 each of a gift card and of store credit, 25 by card."""
    token = await make_ready_cart(database, await make_stocked_shop(database, 50), 4)
    await apply_cards(database, token, await make_card(database, "10"))
    await give_credit(database, "ada@example.com", "10")
    await apply_credit(database, token, "ada@example.com")
    placed = await buy(database, token)
    assert placed.order is not None
    assert placed.placement is not None
    ids = {one.provider: one.id for one in placed.placement.payments}
    if captured:
        await payment_changes.capture(staff(database), placed.payment.id, None, "capture")
    return placed.order, placed.payment, ids["gift_card"], ids["store_credit"]


async def test_a_refund_goes_back_to_the_card_before_what_is_only_good_here(database: Database) -> None:
    order, card, gift_card, credit = await order_of_three_tenders(database)
    ref = OrderRef(id=order.id)
    refunded = await payment_changes.refund_order(staff(database), ref, dollars("30"), "broken", None, "a")
    assert [(one.payment_id, one.amount_minor, one.status) for one in refunded.transactions] == [
        (card.id, 2500, "SUCCEEDED"),
        (credit, 500, "SUCCEEDED"),
    ]
    assert refunded.order.payment_status == "PARTIALLY_REFUNDED"
    rest = await payment_changes.refund_order(staff(database), ref, dollars("15"), "all", None, "b")
    assert [(one.payment_id, one.amount_minor) for one in rest.transactions] == [
        (credit, 500),
        (gift_card, 1000),
    ]
    assert rest.order.payment_status == "REFUNDED"
    assert (await charges(database.engine))[0].refunded_minor == 2500
    kinds = [kind for kind, _ in await events(database, order.id)]
    assert kinds.count("PaymentRefunded") == 4
    assert kinds.count("PaymentRefundRequested") == 1
    await assert_balanced(database)


async def test_a_canceled_order_gives_every_tender_back(database: Database) -> None:
    order, card, gift_card, credit = await order_of_three_tenders(database, captured=False)
    canceled = await orders.cancel(staff(database), OrderRef(id=order.id), "sold out", None, "key")
    assert canceled.payment_status == "REFUNDED"
    kinds = [kind for kind, _ in await events(database, order.id)]
    assert kinds[:3] == ["OrderPlaced", *["PaymentCaptured"] * 2]
    assert kinds[3:] == ["OrderCanceled", *["PaymentRefunded"] * 2, "PaymentVoided"]
    assert (await payment_now(database, card.id)).status == "VOIDED"
    for tender in (gift_card, credit):
        assert (await payment_now(database, tender)).status == "REFUNDED"
        assert ("REFUND", "SUCCEEDED", 1000) in await transactions(database, tender)
    await assert_balanced(database)


async def test_a_shipment_takes_only_what_is_not_taken_yet(database: Database) -> None:
    order, card, gift_card, _ = await order_of_three_tenders(database, captured=False)
    after = await capture_for_shipment(staff(database), order.id, 4500)
    assert {one.id: one.captured_minor for one in after.payments}[card.id] == 2500
    assert len(await transactions(database, gift_card)) == 2, "it was taken when the order was placed"
    await assert_balanced(database)


async def test_what_was_paid_before_an_import_is_given_back_by_hand_and_recorded(database: Database) -> None:
    order, _ = await paid_order(database)
    statement = "UPDATE payments SET provider = 'imported', method = 'recorded' RETURNING id"
    (imported,) = await run_sql(database, statement)
    await run_sql(database, "DELETE FROM payment_transactions")
    changed = await payment_changes.refund(staff(database), imported.id, dollars("10"), "sent back", "key")
    assert [one.status for one in changed.transactions] == ["SUCCEEDED"]
    assert (changed.payment.status, changed.payment.refunded_minor) == ("PARTIALLY_REFUNDED", 1000)
    canceled = await orders.cancel(staff(database), OrderRef(id=order.id), "sold out", None, "cancel")
    assert canceled.payment_status == "PARTIALLY_REFUNDED", "nobody can be asked for the rest"


async def test_a_tender_that_is_only_reserved_is_given_up_at_once(database: Database) -> None:
    order, _, gift_card, _ = await order_of_three_tenders(database, captured=False)
    await run_sql(
        database, "UPDATE payments SET status = 'AUTHORIZED', captured_minor = 0 WHERE id = :id", id=gift_card
    )
    await run_sql(
        database,
        "DELETE FROM payment_transactions WHERE payment_id = :id AND kind = 'CAPTURE'",
        id=gift_card,
    )
    await orders.cancel(staff(database), OrderRef(id=order.id), "sold out", None, "key")
    row = await payment_now(database, gift_card)
    assert (row.status, row.voiding_minor) == ("VOIDED", 0)
    assert ("VOID", "SUCCEEDED", 1000) in await transactions(database, gift_card)
