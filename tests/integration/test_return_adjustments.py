"""Staff give back less than a return brings, or waive its fees: within what was paid, with a reason."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.kernel.errors import (
    AccessDenied,
    AmountTooLarge,
    IdempotencyKeyReused,
    IllegalTransition,
    InvalidInput,
)
from domain.kernel.money import Amount
from domain.notifications import NotificationKind
from domain.orders import Order, OrderPaymentStatus
from domain.return_adjustments import AskedAdjustment, checked
from domain.return_policies import LabelPayer
from domain.return_worth import LineWorth, Worth
from domain.returns import Disposition, Grade, LineOutcome, Return, ReturnStatus, ReturnWish
from persistence.database import Database
from providers.messages.rendering import Renderer
from services import notifications, return_adjustments, return_settlement, returns
from services.access import SYSTEM
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_stocked_shop, till
from tests.factories import make_app
from tests.integration.test_catalog_docs import run_examples
from tests.payments import Refuses, check_sums
from tests.sent_back import DESK, arrived_order, ask_for, bring_back, desk, let_return, look_at
from tests.shipping import order_of, parts_of
from tests.stored import assert_balanced


def deduct(amount: str, currency: str = "USD", reason: str = "The charger is missing.") -> AskedAdjustment:
    """Return a deduction."""
    return AskedAdjustment(reason, deduct=Amount(Decimal(amount), currency))


def waive(amount: str, currency: str = "USD") -> AskedAdjustment:
    """Return fees that are given back."""
    return AskedAdjustment("We had told you to.", waive=Amount(Decimal(amount), currency))


async def test_a_deduction_is_kept_told_and_never_given_back_with_the_last_unit(database: Database) -> None:
    shop, order, seen = await _waiting(database)
    worth, _ = await return_adjustments.worth(desk(database), seen.id)
    assert (worth.refund_minor, worth.fee_minor) == (1000, 0)
    clerk, key = desk(database), str(uuid4())
    done, again = [
        await return_settlement.refund(clerk, seen.id, None, None, key, deduct("3.33")) for _ in range(2)
    ]
    assert again == done
    assert (done.status, done.refund_minor, done.fee_minor) == (ReturnStatus.CLOSED, 667, 333)
    assert (done.adjustment_minor, done.lines[0].refund_minor) == (-333, 667)
    (payment,) = (await parts_of(database, order.id)).payments
    assert payment.refunded_minor == 667
    assert (await order_of(database, order.id)).return_refund_minor == 667

    (told,) = await run_sql(database, "SELECT payload FROM event_outbox WHERE kind = 'ReturnRefundRequested'")
    assert told.payload["adjustmentMinor"] == -333
    assert told.payload["adjustmentReason"] == "The charger is missing."
    (trail,) = await run_sql(
        database, "SELECT actor, after FROM audit_entries WHERE action = 'ReturnRefunded'"
    )
    assert trail.after["adjustment_minor"] == -333
    assert trail.actor.startswith("app:")
    letter = await notifications.preview(
        till(database, SYSTEM), order.number, NotificationKind.RETURN_REFUNDED, "de"
    )
    text = " ".join(Renderer().render(letter).text.split())
    assert "The charger is missing." in text
    assert "Anpassung: -3,33" in text.replace("\u2212", "-")

    last = await _looked_at(database, shop, order)
    assert (await _refund(database, last)).refund_minor == 1500
    assert (await order_of(database, order.id)).payment_status is OrderPaymentStatus.PARTIALLY_REFUNDED
    await check_sums(database)
    await assert_balanced(database)


async def test_fees_are_waived_up_to_what_was_paid(database: Database) -> None:
    _, order, seen = await _waiting(
        database, restocking_fee=100_000, label_fee_minor=300, label_payer=LabelPayer.CUSTOMER
    )
    worth, _ = await return_adjustments.worth(desk(database), seen.id)
    with pytest.raises(AmountTooLarge) as refused:
        await _refund(database, seen, waive("99"))
    assert refused.value.path == ("adjustment", "waive", "amount")
    assert refused.value.left_minor == worth.fee_minor == 400
    done = await _refund(database, seen, waive("4"))
    assert (done.refund_minor, done.fee_minor, done.adjustment_minor) == (1000, 0, 400)
    assert await _given(database, order) == 1000
    await assert_balanced(database)


async def test_all_of_it_may_be_deducted_and_then_nothing_is_asked_of_a_provider(database: Database) -> None:
    _, order, seen = await _waiting(database)
    done = await _refund(database, seen, deduct("10"))
    assert (done.status, done.refund_minor, done.fee_minor) == (ReturnStatus.CLOSED, 0, 1000)
    assert [line.outcome for line in done.lines] == [LineOutcome.REJECTED]
    assert done.transaction_ids == ()
    assert await _given(database, order) == 0


@pytest.mark.parametrize(
    ("asked", "error", "path"),
    [
        (deduct("10.01"), AmountTooLarge, ("adjustment", "deduct", "amount")),
        (waive("0.01"), AmountTooLarge, ("adjustment", "waive", "amount")),
        (deduct("0"), InvalidInput, ("adjustment", "deduct", "amount")),
        (deduct("-1"), InvalidInput, ("adjustment", "deduct", "amount")),
        (deduct("1.001"), InvalidInput, ("adjustment", "deduct", "amount")),
        (deduct("1", "EUR"), InvalidInput, ("adjustment", "deduct", "currency")),
        (deduct("1", reason=" "), InvalidInput, ("adjustment", "reason")),
        (AskedAdjustment("why"), InvalidInput, ("adjustment",)),
        (
            AskedAdjustment("why", Amount(Decimal(1), "USD"), Amount(Decimal(1), "USD")),
            InvalidInput,
            ("adjustment",),
        ),
    ],
)
async def test_what_staff_may_not_change_is_refused(asked: Any, error: Any, path: Any) -> None:
    worth = Worth((LineWorth(uuid4(), 1000, 0),), 0, 0)
    with pytest.raises(error) as refused:
        checked(asked, worth, "USD")
    assert refused.value.path == path


async def test_it_takes_its_own_permission_and_is_decided_once(database: Database) -> None:
    _, order, seen = await _waiting(database)
    clerk = till(database, make_app(*(one for one in DESK if one.value != "returns.adjust")))
    with pytest.raises(AccessDenied):
        await return_settlement.refund(clerk, seen.id, None, None, str(uuid4()), deduct("1"))

    refusing = desk(database, payment_providers={"sandbox": Refuses(database.engine)})
    key = str(uuid4())
    seen = await return_settlement.refund(refusing, seen.id, None, None, key, deduct("1"))
    assert (seen.status, seen.refund_failure) == (ReturnStatus.INSPECTED, "already_refunded")
    with pytest.raises(IdempotencyKeyReused):
        await return_settlement.refund(refusing, seen.id, None, None, key, deduct("2"))
    with pytest.raises(IllegalTransition) as refused:
        await _refund(database, seen, deduct("2"))
    assert refused.value.path == ("adjustment",)
    done = await _refund(database, seen)
    assert (done.status, done.refund_minor, done.adjustment_minor) == (ReturnStatus.CLOSED, 900, -100)
    assert await _given(database, order) == 900
    await check_sums(database)


async def test_an_exchange_is_paid_with_what_is_left(database: Database) -> None:
    _, _, seen = await _waiting(database, wish=ReturnWish.EXCHANGE)
    done = await _refund(database, seen, deduct("0.02"))
    # Two cents are no rounding: the customer still owes them.
    assert (done.credit_minor, done.bonus_minor) == (998, 0)
    assert done.exchange_order_id is not None
    made = await order_of(database, done.exchange_order_id)
    assert made.payment_status is OrderPaymentStatus.PARTIALLY_PAID
    await assert_balanced(database)


async def test_the_examples_run(database: Database) -> None:
    _, _, seen = await _waiting(database, grade=Grade.USED)
    answers = await run_examples(
        database,
        "return_adjustments",
        {"returnId": encode_id("Return", seen.id)},
        payment_providers=till(database).environment.payment_providers,
    )
    worth, refunded = answers
    assert (worth["refund"], worth["fees"]) == ({"amount": "5.00"}, {"amount": "5.00"})
    found = refunded["return"]
    assert (found["refund"], found["adjustment"]) == ({"amount": "7.50"}, {"amount": "2.50"})


async def _waiting(
    database: Database, *, wish: ReturnWish = ReturnWish.REFUND, grade: Grade = Grade.AS_NEW, **rules: Any
) -> tuple[Shop, Order, Return]:
    """Return an order of two units of which one came back, its money left to staff."""
    await let_return(database, auto_refund_most_minor=0, **rules)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    return shop, order, await _looked_at(database, shop, order, wish, grade)


async def _looked_at(
    database: Database,
    shop: Shop,
    order: Order,
    wish: ReturnWish = ReturnWish.REFUND,
    grade: Grade = Grade.AS_NEW,
) -> Return:
    asked = await ask_for(database, order, wish=wish)
    if asked.status is ReturnStatus.REQUESTED:
        asked = await returns.decide_on(
            desk(database), asked.id, approve=True, note=None, expected_version=None
        )
    here = await bring_back(database, asked, shop.locations[0].code)
    return await look_at(database, here, Disposition.RESTOCKED, grade)


async def _refund(database: Database, found: Return, asked: AskedAdjustment | None = None) -> Return:
    return await return_settlement.refund(desk(database), found.id, None, None, str(uuid4()), asked)


async def _given(database: Database, order: Order) -> int:
    (payment,) = (await parts_of(database, order.id)).payments
    return payment.refunded_minor
