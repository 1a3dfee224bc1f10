"""Drafts, tax, codes, gift cards, approval and callbacks in one checkout: all is taken, or all given back."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from domain.approvals import RuleAction, RuleKind
from domain.kernel.errors import AmountTooLarge, DomainError, IllegalTransition
from domain.kernel.money import Amount
from domain.orders import OrderPaymentStatus, OrderStatus
from domain.payments import TransactionKind
from persistence.database import Database
from providers.payments.sandbox import charges
from services import orders, payment_changes, payment_sweep
from services.order_sweeps import expire_waiting
from services.orders import OrderRef
from tests import books, drafts
from tests import cart_flows as flow
from tests.callbacks import PaidOrder, apply_all, receive, told
from tests.cart_flows import run_sql
from tests.checkouts import Shop, later, levels, make_ready_cart, make_stocked_shop
from tests.factories import make_discount, make_tax_rate
from tests.integration.test_discount_uses import used
from tests.integration.test_money_together import edited, money_of, paid_at_placement, part_statuses, pay
from tests.payments import capture_at, check_sums, dollars, paid_order, staff
from tests.reviews import make_rule
from tests.stored import apply_cards, assert_balanced, balance_of, buy, make_card, paid_with


async def taxed_shop(database: Database) -> Shop:
    """Make a shop of 20 units that shows prices with 20 % tax, and has a code of 10 % for one use."""
    shop = await make_stocked_shop(database, 20)
    await capture_at(database, shop, "AT_PLACEMENT")
    await run_sql(database, "UPDATE channels SET prices_include_tax = true")
    await make_tax_rate(database, shop.channel)
    await make_discount(database, shop.channel, code="ONCE", usage_limit=1)
    return shop


async def everything(database: Database, shop: Shop, worth: str = "7") -> tuple[Any, str, str]:
    """Make a draft of two units with code and gift card; returns it, its cart token and the card's code."""
    made = await drafts.ready(database, shop, 2)
    token = made["cartToken"]
    applied = await flow.change(database, "cartDiscountCodeApply", {"cartToken": token, "code": "ONCE"})
    assert applied["userErrors"] == []
    code = await make_card(database, worth)
    await apply_cards(database, token, code)
    return made["order"], token, code


async def all_given_back(database: Database, shop: Shop, code: str, minor: int = 700) -> None:
    """Assert that nothing of a shop with one order is taken any more, and that the books say so."""
    assert await levels(database, shop) == [(20, 0, 0)]
    assert await balance_of(database, code) == minor
    assert (await used(database))[0] == 0
    assert all(
        one.state in {"VOIDED", "DECLINED"} or one.captured_minor == one.refunded_minor
        for one in await charges(database.engine)
    )
    await assert_balanced(database)
    assert set(books.left(await books.lines(database))) <= {"GOODWILL", "STORE_CREDIT:gift_card"}


async def test_a_draft_with_code_tax_and_gift_card_is_paid_by_link_after_a_decline_and_canceled(
    database: Database,
) -> None:
    shop = await taxed_shop(database)
    draft, token, code = await everything(database, shop)
    declined = await drafts.pay(database, token, "decline")
    assert declined["userErrors"][0]["code"] == "PAYMENT_DECLINED"
    assert (await balance_of(database, code), (await used(database))[0]) == (700, 0)
    await assert_balanced(database)
    paid = await drafts.pay(database, token)
    assert paid["userErrors"] == []
    assert paid["order"]["id"] == draft["id"]
    assert paid["order"]["totals"]["total"]["amount"] == "18.00"
    assert paid["order"]["paymentStatus"] == "PAID"
    assert (await balance_of(database, code), (await used(database))[0]) == (0, 1)
    await assert_balanced(database)
    left = books.left(await books.lines(database))
    assert (left["TAX"], left["DISCOUNT"], left["PROVIDER_CLEARING:sandbox"]) == (-300, 200, 1100)
    canceled = await drafts.cancel(database, draft)
    assert canceled["userErrors"] == []
    await all_given_back(database, shop, code)


async def test_a_draft_that_staff_place_and_whose_answer_is_late_is_finished_by_the_sweep(
    database: Database,
) -> None:
    shop = await taxed_shop(database)
    draft, _, code = await everything(database, shop)
    waiting = await drafts.place(database, draft, "sandbox", "timeout")
    assert (waiting["order"], waiting["payment"]["status"]) == (None, "PENDING")
    assert (await drafts.cancel(database, draft))["userErrors"][0]["code"] == "CART_CLOSED"
    await payment_sweep.settle_due(later(database))
    placed = await drafts.read(database, draft)
    assert placed["status"] == "OPEN"
    await payment_sweep.settle_due(later(database, 2))
    assert (await drafts.read(database, draft))["paymentStatus"] == "PAID"
    await assert_balanced(database)
    await drafts.cancel(database, draft)
    await all_given_back(database, shop, code)


async def test_an_order_with_code_tax_and_gift_card_is_edited_twice_refunded_and_canceled(
    database: Database,
) -> None:
    shop = await taxed_shop(database)
    draft, token, code = await everything(database, shop)
    await drafts.pay(database, token)
    [row] = await run_sql(database, "SELECT id FROM orders")
    order = await orders.get(staff(database), OrderRef(id=row.id))
    assert (await edited(database, order, 1))["userErrors"] == []
    assert await money_of(database, order) == (900, 900)
    assert (await edited(database, order, 3))["userErrors"] == []
    await pay(database, order)
    assert await money_of(database, order) == (2900, 2900)
    await payment_changes.refund_order(
        staff(database), OrderRef(id=row.id), dollars("3"), "scratched", None, "r"
    )
    await check_sums(database)
    assert (await edited(database, order, 2))["userErrors"] == []
    await check_sums(database)
    assert (await used(database))[0] == 1
    assert (await drafts.cancel(database, draft))["userErrors"] == []
    await all_given_back(database, shop, code)


@pytest.mark.parametrize("end", ["reject", "expire"])
async def test_an_order_that_waits_with_a_gift_card_gives_all_back_once(database: Database, end: str) -> None:
    shop = await taxed_shop(database)
    await run_sql(database, "UPDATE channels SET review_from_minor = 1")
    _, token, code = await everything(database, shop)
    placed = await drafts.pay(database, token)
    assert placed["order"]["status"] == "PENDING_APPROVAL"
    assert await balance_of(database, code) == 0
    await assert_balanced(database)
    [row] = await run_sql(database, "SELECT id FROM orders")
    if end == "reject":
        for _ in range(2):
            await orders.reject(staff(database), row.id, "no", None, "reject")
    else:
        await expire_waiting(later(database, 24 * 30, actor=staff(database).actor))
    await payment_sweep.settle_due(later(database))
    await all_given_back(database, shop, code)
    [void] = await run_sql(
        database,
        "SELECT count(*) AS times FROM payment_transactions t JOIN payments p ON p.id = t.payment_id"
        " WHERE t.kind = 'VOID' AND p.provider = 'sandbox'",
    )
    assert void.times == 1


async def test_approval_takes_what_the_gift_card_and_the_card_pay(database: Database) -> None:
    shop = await taxed_shop(database)
    await run_sql(database, "UPDATE channels SET review_from_minor = 1")
    draft, token, code = await everything(database, shop)
    await drafts.pay(database, token)
    [row] = await run_sql(database, "SELECT id FROM orders")
    approved = await orders.approve(staff(database), row.id, None, "approve")
    assert (approved.status, approved.payment_status) == (OrderStatus.OPEN, OrderPaymentStatus.PAID)
    assert await money_of(database, approved) == (1800, 1800)
    await drafts.cancel(database, draft)
    await all_given_back(database, shop, code)


async def test_a_rule_that_declines_takes_neither_code_nor_gift_card_nor_money(database: Database) -> None:
    shop = await taxed_shop(database)
    await make_rule(database, shop, RuleKind.AMOUNT_FROM, RuleAction.DECLINE, "1")
    draft, token, code = await everything(database, shop)
    declined = await drafts.pay(database, token)
    assert declined["userErrors"][0]["code"] == "PAYMENT_DECLINED"
    assert (await drafts.place(database, draft, "sandbox", "ok"))["userErrors"][0][
        "code"
    ] == "PAYMENT_DECLINED"
    assert await charges(database.engine) == []
    assert (await drafts.read(database, draft))["status"] == "DRAFT"
    await drafts.cancel(database, draft)
    await all_given_back(database, shop, code)


async def test_a_rule_that_declines_by_the_answer_gives_all_back(database: Database) -> None:
    shop = await taxed_shop(database)
    await make_rule(database, shop, RuleKind.PROVIDER_RISK, RuleAction.DECLINE, score_from=80)
    draft, token, code = await everything(database, shop)
    declined = await drafts.pay(database, token, "high_risk")
    assert declined["userErrors"][0]["code"] == "PAYMENT_DECLINED"
    await drafts.cancel(database, draft)
    await all_given_back(database, shop, code)


async def test_nobody_is_asked_for_nothing(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    await make_discount(database, shop.channel, code="FREE", percent=Decimal(100))
    made = await drafts.ready(database, shop, 2)
    token = made["cartToken"]
    applied = await flow.change(database, "cartDiscountCodeApply", {"cartToken": token, "code": "FREE"})
    assert applied["userErrors"] == []
    paid = await drafts.pay(database, token)
    assert paid["userErrors"] == []
    assert paid["order"]["totals"]["total"]["amount"] == "0.00"
    assert paid["order"]["status"] == "OPEN"
    [row] = await run_sql(database, "SELECT id FROM orders")
    order = await orders.get(staff(database), OrderRef(id=row.id))
    assert (await edited(database, order, 3))["userErrors"] == []
    assert sorted(await part_statuses(database, order)) == ["ON_HOLD", "OPEN"]
    await pay(database, order)
    assert set(await part_statuses(database, order)) == {"OPEN"}
    await drafts.cancel(database, made["order"])
    await payment_sweep.settle_due(later(database))
    assert await levels(database, shop) == [(20, 0, 0)]
    assert all(one.state == "VOIDED" for one in await charges(database.engine))
    await check_sums(database)


async def test_no_more_is_captured_than_an_edited_order_costs(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    await edited(database, order, 1)
    with pytest.raises(AmountTooLarge):
        await payment_changes.capture(staff(database), payment.id, dollars("15.01"), "much")
    await payment_changes.capture(staff(database), payment.id, None, "rest")
    assert await money_of(database, order) == (1500, 1500)
    with pytest.raises(DomainError):
        await payment_changes.capture(staff(database), payment.id, None, "more")
    with pytest.raises((IllegalTransition, AmountTooLarge)):
        await payment_changes.capture(staff(database), payment.id, dollars("1"), "more still")
    await check_sums(database)


async def paid_order_of(database: Database, method: str = "ok") -> PaidOrder:
    """Return the order's last payment by the sandbox, as callbacks name it."""
    [row] = await run_sql(
        database,
        "SELECT p.id, p.order_id, p.provider_reference, p.amount_minor FROM payments p"
        " WHERE p.provider = 'sandbox' ORDER BY p.id DESC LIMIT 1",
    )
    return PaidOrder(row.order_id, row.id, row.provider_reference, row.amount_minor)


async def test_a_chargeback_of_a_further_payment_is_one_of_its_order(database: Database) -> None:
    _, order, code = await paid_at_placement(database)
    await edited(database, order, 3)
    await pay(database, order)
    more = await paid_order_of(database)
    assert await receive(database, told(more, TransactionKind.CHARGEBACK, 1000)) == 1
    assert await apply_all(database) == {"APPLIED": 1}
    await assert_balanced(database)
    await orders.cancel(staff(database), OrderRef(id=order.id), "no", None, "cancel")
    assert await balance_of(database, code) == 1000
    assert [(one.captured_minor, one.refunded_minor) for one in await charges(database.engine)] == [
        (1500, 1500),
        (1000, 0),
    ]
    await assert_balanced(database)
    assert books.left(await books.lines(database, order.id)) == {}


async def test_what_the_dashboard_captures_of_a_canceled_order_comes_back(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    code = await make_card(database, "10")
    placed = await buy(database, await paid_with(database, shop, code))
    assert placed.order is not None
    paid = await paid_order_of(database)
    event = told(paid, TransactionKind.CAPTURE, 1500)
    await orders.cancel(staff(database), OrderRef(id=placed.order.id), "no", None, "cancel")
    assert await receive(database, event) == 1
    assert await apply_all(database) == {"APPLIED": 1}
    [refund] = await run_sql(
        database,
        "SELECT amount_minor, status FROM payment_transactions WHERE kind = 'REFUND' AND payment_id = :id",
        id=paid.payment_id,
    )
    assert (refund.amount_minor, refund.status) == (1500, "REQUESTED")
    assert await balance_of(database, code) == 1000
    await check_sums(database)


@pytest.mark.parametrize(
    ("currency", "card", "charged", "total"), [("JPY", "700", 1800, 2500), ("KWD", "0.7", 1800, 2500)]
)
async def test_currencies_without_and_with_three_decimals_go_the_whole_way(
    database: Database, currency: str, card: str, charged: int, total: int
) -> None:
    shop = await make_stocked_shop(database, 20, currency=currency)
    await capture_at(database, shop, "AT_PLACEMENT")
    code = await make_card(database, card, currency)
    token = await make_ready_cart(database, shop, 2)
    await apply_cards(database, token, code)
    placed = await buy(database, token)
    assert placed.order is not None
    assert await money_of(database, placed.order) == (total, total)
    [charge] = await charges(database.engine)
    assert (charge.captured_minor, charge.currency) == (charged, currency)
    payload = await edited(database, placed.order, 1)
    assert payload["order"]["totals"]["total"] == {
        "amount": str(Decimal(1500).scaleb(-3 if currency == "KWD" else 0))
    }
    await edited(database, placed.order, 4)
    await pay(database, placed.order)
    assert await money_of(database, placed.order) == (4500, 4500)
    wrong = Amount(Decimal("0.5"), currency) if currency == "JPY" else Amount(Decimal("0.0005"), currency)
    with pytest.raises(DomainError):
        await payment_changes.refund_order(
            staff(database), OrderRef(id=placed.order.id), wrong, "no", None, str(uuid4())
        )
    await orders.cancel(staff(database), OrderRef(id=placed.order.id), "no", None, "cancel")
    assert await balance_of(database, code) == 700
    await assert_balanced(database)
    assert books.left(await books.lines(database, placed.order.id)) == {}
