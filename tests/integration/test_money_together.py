"""Edits, further payments, gift cards and holds on one order: what one of them does, the others respect."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.kernel.errors import IllegalTransition
from domain.orders import Order
from persistence.database import Database
from persistence.outages import is_outage
from providers.payments.sandbox import charges
from services import order_holds, order_payments, order_placement, orders, payment_changes, payment_sweep
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import Shop, later, levels, make_ready_cart, make_stocked_shop, till
from tests.factories import execute, give_stock, make_discount, make_tax_rate, make_variant
from tests.payments import Unreachable, capture_at, check_sums, dollars, paid_order, staff
from tests.stored import assert_balanced, balance_of, buy, make_card, paid_with

COMMIT = """mutation ($input: OrderEditCommitInput!) { orderEditCommit(input: $input) {
    order { version paymentStatus totals { total { amount } } fulfillmentOrders { status } }
    userErrors { code message path } } }"""


async def edited(
    database: Database, order: Order, quantity: int | None = None, add: Any = (), **changes: Any
) -> dict[str, Any]:
    """Commit an edit of the order's one line, and of what is to be added; returns the payload.

    Raises what is worth trying again, as the API tells its clients.
    """
    context = staff(database, **changes)
    [row] = await run_sql(database, "SELECT version FROM orders WHERE id = :id", id=order.id)
    found = await run_sql(
        database, "SELECT id FROM order_lines WHERE order_id = :id ORDER BY position LIMIT 1", id=order.id
    )
    lines = (
        [] if quantity is None else [{"lineId": encode_id("OrderLine", found[0].id), "quantity": quantity}]
    )
    given = {
        "id": encode_id("Order", order.id),
        "lines": lines,
        "add": list(add),
        "reason": "they called",
        "expectedVersion": row.version,
        "idempotencyKey": str(uuid4()),
    }
    providers = context.environment.payment_providers
    result = await execute(database, COMMIT, {"input": given}, payment_providers=providers)
    for error in result.errors or ():
        if error.original_error is not None and is_outage(error.original_error):
            raise error.original_error
    assert result.errors is None, result.errors
    assert result.data is not None
    payload = result.data["orderEditCommit"]
    assert isinstance(payload, dict)
    return payload


async def pay(
    database: Database, order: Order, method: str = "ok", provider: str = "sandbox", **changes: Any
) -> order_payments.Created:
    """Ask for what is due of an order."""
    context = staff(database, **changes)
    return await order_payments.create(context, order.id, provider, method, None, str(uuid4()))


async def part_statuses(database: Database, order: Order) -> list[str]:
    """Return the status of each part of an order, those that are no more left out."""
    rows = await run_sql(
        database,
        "SELECT status FROM fulfillment_orders WHERE order_id = :id AND status <> 'CANCELED' ORDER BY id",
        id=order.id,
    )
    return [row.status for row in rows]


async def money_of(database: Database, order: Order) -> tuple[int, int]:
    """Return the order's total, and what it has taken less what it has given back."""
    [row] = await run_sql(
        database,
        "SELECT o.total_minor, (SELECT coalesce(sum(p.captured_minor - p.refunded_minor), 0)::bigint"
        " FROM payments p WHERE p.order_id = o.id) AS kept FROM orders o WHERE o.id = :id",
        id=order.id,
    )
    return row.total_minor, row.kept


async def hold_unpaid(database: Database, shop: Shop) -> None:
    """Let the shop's channel keep what is paid later until the money is there."""
    await run_sql(database, "UPDATE channels SET hold_unpaid = true WHERE id = :id", id=shop.channel.id)


async def paid_at_placement(database: Database, worth: str = "10") -> tuple[Shop, Order, str]:
    """Return an order of 25.00, paid with a gift card first and a card for the rest, all captured."""
    shop = await make_stocked_shop(database, 20)
    await capture_at(database, shop, "AT_PLACEMENT")
    code = await make_card(database, worth)
    placed = await buy(database, await paid_with(database, shop, code))
    assert placed.order is not None
    return shop, placed.order, code


async def test_a_transfer_that_has_not_come_keeps_its_goods_though_what_an_edit_added_is_paid(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 10)
    await hold_unpaid(database, shop)
    order, transfer = await paid_order(
        database, captured=False, shop=shop, provider="manual", method="bank_transfer"
    )
    assert await part_statuses(database, order) == ["ON_HOLD"]
    await edited(database, order, 3)
    await pay(database, order)
    assert set(await part_statuses(database, order)) == {"ON_HOLD"}
    await order_holds.release_paid(staff(database))
    assert set(await part_statuses(database, order)) == {"ON_HOLD"}
    await payment_changes.record(staff(database), transfer.id, dollars("25"), "RF1", "came")
    await order_holds.release_paid(staff(database))
    assert set(await part_statuses(database, order)) == {"OPEN"}
    await check_sums(database)


async def test_what_an_edit_swaps_in_waits_for_the_transfer_like_what_it_replaces(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    await hold_unpaid(database, shop)
    pen = await make_variant(database, shop.channel, sku="PEN", price="3.00")
    await give_stock(database, pen, shop.locations[0], 5)
    order, _ = await paid_order(
        database, captured=False, shop=shop, provider="manual", method="bank_transfer"
    )
    payload = await edited(database, order, 0, [{"variant": {"sku": "PEN"}, "quantity": 1}])
    assert payload["userErrors"] == []
    assert await part_statuses(database, order) == ["ON_HOLD"]


async def test_goods_that_are_paid_for_after_an_edit_gave_money_back_do_not_wait_for_ever(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 10)
    await hold_unpaid(database, shop)
    order, _ = await paid_order(database, shop=shop)
    await edited(database, order, 1)
    await edited(database, order, 2)
    more = await pay(database, order, "bank_transfer", "manual")
    assert sorted(await part_statuses(database, order)) == ["ON_HOLD", "OPEN"]
    await payment_changes.record(staff(database), more.payment.id, dollars("10"), None, "came")
    await order_holds.release_paid(staff(database))
    assert set(await part_statuses(database, order)) == {"OPEN"}
    await check_sums(database)


async def test_an_order_for_nothing_does_not_wait_for_money(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    await hold_unpaid(database, shop)
    token = await make_ready_cart(database, shop, 1, shipping_minor=0)
    await run_sql(database, "UPDATE cart_lines SET unit_price_minor = 0")
    placed = await order_placement.place(till(database), token, "manual", "invoice", "key")
    assert placed.order is not None
    await order_holds.release_paid(staff(database))
    assert await part_statuses(database, placed.order) == ["OPEN"]


async def test_a_payment_that_is_late_takes_nothing_that_an_edit_made_needless(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    await capture_at(database, shop, "AT_PLACEMENT")
    order, _ = await paid_order(database, captured=False, shop=shop)
    await edited(database, order, 3)
    await pay(database, order, "timeout")
    await edited(database, order, 2)
    await payment_sweep.settle_due(later(database))
    await payment_sweep.settle_due(later(database, 2))
    assert await money_of(database, order) == (2500, 2500)
    assert sorted((one.state, one.captured_minor) for one in await charges(database.engine)) == [
        ("AUTHORIZED", 2500),
        ("VOIDED", 0),
    ]
    await check_sums(database)


async def test_a_late_payment_takes_no_more_than_is_still_due(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    await capture_at(database, shop, "AT_PLACEMENT")
    order, _ = await paid_order(database, captured=False, shop=shop)
    await edited(database, order, 5)
    await pay(database, order, "timeout")
    await edited(database, order, 4)
    await payment_sweep.settle_due(later(database))
    assert await money_of(database, order) == (4500, 4500)
    assert set(await part_statuses(database, order)) == {"OPEN"}
    await check_sums(database)


async def test_what_is_due_is_taken_once_though_the_shopper_confirms_a_first_request_after_a_second(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 10)
    await capture_at(database, shop, "AT_PLACEMENT")
    order, _ = await paid_order(database, captured=False, shop=shop)
    await edited(database, order, 3)
    await pay(database, order, "action_required")
    await pay(database, order)
    await run_sql(
        database,
        "UPDATE sandbox_charges SET state = 'AUTHORIZED' WHERE state = 'ACTION_REQUIRED'",
    )
    await payment_sweep.settle_due(later(database))
    assert await money_of(database, order) == (3500, 3500)
    await check_sums(database)


async def test_a_further_payment_that_nobody_confirms_is_given_up_and_voided(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order, _ = await paid_order(database, shop=shop)
    await edited(database, order, 3)
    await pay(database, order, "action_required")
    await payment_sweep.settle_due(later(database, 30))
    await payment_sweep.settle_due(later(database, 31))
    assert sorted(one.state for one in await charges(database.engine)) == ["AUTHORIZED", "VOIDED"]
    assert (await pay(database, order)).payment.authorized_minor == 1000
    await check_sums(database)


async def unsettled(database: Database) -> int:
    """Return how many requests to providers have no outcome."""
    [row] = await run_sql(
        database, "SELECT count(*) AS times FROM payment_transactions WHERE settled_at IS NULL"
    )
    return int(row.times)


async def test_a_further_payment_that_its_provider_never_answers_is_given_up(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order, _ = await paid_order(database, shop=shop)
    await edited(database, order, 3)
    await pay(database, order, "timeout_before")
    await payment_sweep.settle_due(later(database))
    with pytest.raises(IllegalTransition):
        await pay(database, order)
    await payment_sweep.settle_due(later(database, 30))
    await payment_sweep.settle_due(later(database, 31))
    assert await unsettled(database) == 0
    assert (await pay(database, order)).payment.authorized_minor == 1000
    await check_sums(database)


async def test_an_order_canceled_while_a_further_payment_never_arrives_leaves_nothing_open(
    database: Database,
) -> None:
    _, order, code = await paid_at_placement(database)
    await edited(database, order, 3)
    await pay(database, order, "timeout_before")
    await orders.cancel(staff(database), OrderRef(id=order.id), "no", None, "cancel")
    for hours in (1, 30, 31, 32):
        await payment_sweep.settle_due(later(database, hours))
    assert await unsettled(database) == 0
    assert await balance_of(database, code) == 1000
    await assert_balanced(database)


async def test_a_further_payment_that_is_undecided_can_be_voided_and_asked_for_anew(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 10)
    order, _ = await paid_order(database, shop=shop)
    await edited(database, order, 3)
    undecided = await pay(database, order, "timeout")
    await payment_changes.void(staff(database), undecided.payment.id, "void")
    for hours in (1, 2, 3):
        await payment_sweep.settle_due(later(database, hours))
    assert await unsettled(database) == 0
    assert "ON_HOLD" in await part_statuses(database, order)
    assert sorted(one.state for one in await charges(database.engine)) == ["AUTHORIZED", "VOIDED"]
    assert (await pay(database, order)).payment.authorized_minor == 1000
    await check_sums(database)


async def test_an_order_that_is_canceled_while_a_further_payment_is_undecided_keeps_nothing(
    database: Database,
) -> None:
    _, order, code = await paid_at_placement(database)
    await edited(database, order, 3)
    await pay(database, order, "timeout")
    await orders.cancel(staff(database), OrderRef(id=order.id), "no", None, "cancel")
    for hours in (1, 2, 3):
        await payment_sweep.settle_due(later(database, hours))
    assert await money_of(database, order) == (3500, 0)
    assert await balance_of(database, code) == 1000
    assert sorted(
        (one.state, one.captured_minor - one.refunded_minor) for one in await charges(database.engine)
    ) == [
        ("AUTHORIZED", 0),
        ("VOIDED", 0),
    ]
    await assert_balanced(database)


async def test_an_edit_down_gives_back_to_the_card_first_and_the_cancellation_the_rest(
    database: Database,
) -> None:
    shop, order, code = await paid_at_placement(database, "15")
    await edited(database, order, 1)
    assert await balance_of(database, code) == 0
    [charge] = await charges(database.engine)
    assert (charge.captured_minor, charge.refunded_minor) == (1000, 1000)
    await edited(database, order, 4)
    assert sorted(await part_statuses(database, order)) == ["ON_HOLD", "OPEN"]
    paid = await pay(database, order)
    assert paid.payment.captured_minor == 3000
    assert set(await part_statuses(database, order)) == {"OPEN"}
    assert await money_of(database, order) == (4500, 4500)
    await orders.cancel(staff(database), OrderRef(id=order.id), "no", None, "cancel")
    assert await money_of(database, order) == (4500, 0)
    assert await balance_of(database, code) == 1500
    assert await levels(database, shop) == [(20, 0, 0)]
    await assert_balanced(database)


async def test_an_edit_while_the_money_is_being_taken_says_so_and_changes_nothing(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order, payment = await paid_order(database, captured=False, shop=shop)
    silent = staff(database, Unreachable(database.engine))
    await payment_changes.capture(silent, payment.id, None, "capture")
    payload = await edited(database, order, 1)
    assert [(one["code"], one["path"]) for one in payload["userErrors"]] == [("ILLEGAL_TRANSITION", ["id"])]
    assert await levels(database, shop) == [(8, 0, 2)]


async def test_money_that_came_by_transfer_is_not_recorded_as_sent_back_by_an_edit(
    database: Database,
) -> None:
    order, transfer = await paid_order(database, captured=False, provider="manual", method="bank_transfer")
    await payment_changes.record(staff(database), transfer.id, dollars("25"), "RF1", "came")
    payload = await edited(database, order, 1)
    assert payload["userErrors"] == []
    assert payload["order"]["paymentStatus"] == "OVERPAID"
    assert await money_of(database, order) == (1500, 2500)
    await payment_changes.refund(staff(database), transfer.id, dollars("10"), "sent it", "back")
    await orders.cancel(staff(database), OrderRef(id=order.id), "no", None, "cancel")
    await check_sums(database)


@pytest.mark.parametrize(
    "add",
    [
        {"quantity": 1_000_000, "unitPrice": {"amount": "10000000000000", "currency": "USD"}},
        {"quantity": 101, "unitPrice": {"amount": "100000000000", "currency": "USD"}},
    ],
)
async def test_an_edit_whose_total_no_order_may_have_is_refused(
    database: Database, add: dict[str, Any]
) -> None:
    shop = await make_stocked_shop(database, 10)
    pen = await make_variant(database, shop.channel, sku="PEN", price="3.00")
    await give_stock(database, pen, shop.locations[0], 1_000_000)
    order, _ = await paid_order(database, captured=False, shop=shop)
    payload = await edited(database, order, None, [{"variant": {"sku": "PEN"}, **add}])
    assert [one["code"] for one in payload["userErrors"]] == ["INVALID_INPUT"]
    assert payload["userErrors"][0]["path"][0] == "add"


async def test_a_few_cents_of_discount_and_included_tax_shrink_with_their_line(database: Database) -> None:
    shop = await make_stocked_shop(database, 10, currency="JPY")
    await run_sql(database, "UPDATE channels SET prices_include_tax = true")
    await make_tax_rate(database, shop.channel, "100")
    await make_discount(database, shop.channel, percent=Decimal(50))
    token = await make_ready_cart(database, shop, 2, shipping_minor=0)
    await run_sql(database, "UPDATE cart_lines SET unit_price_minor = 1")
    order = (await buy(database, token)).order
    assert order is not None
    assert (order.discount_minor, order.tax_minor, order.total_minor) == (1, 1, 1)
    payload = await edited(database, order, 1)
    assert payload["userErrors"] == []
    await check_sums(database)
