"""Editing open orders through GraphQL: what it moves of stock and money, and what it refuses."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.scalars import encode_id
from domain.kernel.errors import AccessDenied
from domain.orders import Order, OrderStatus
from persistence.database import Database
from providers.payments.sandbox import charges
from services import fulfillment, payment_sweep
from services.access import ANONYMOUS, SYSTEM, Actor
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, later, levels, make_stocked_shop
from tests.factories import execute, give_stock, make_variant
from tests.payments import capture_at, check_sums, paid_order, staff
from tests.shipping import fulfill, order_of, part_at, parts_of
from tests.statements import count_statements

ERRORS = """{ __typename code message path
  ... on InsufficientStockError { sku requested available }
  ... on VersionConflictError { currentVersion }
  ... on IllegalTransitionError { current }
  ... on PaymentDeclinedError { declineCode } }"""
TOTALS = "{ subtotal { amount } tax { amount } discount { amount } total { amount } }"
PREVIEW = f"""mutation ($input: OrderEditPreviewInput!) {{ orderEditPreview(input: $input) {{
    edit {{ before {TOTALS} after {TOTALS} difference {{ amount }} refund {{ amount }} due {{ amount }}
            lines {{ sku quantity total {{ amount }} }} }} userErrors {ERRORS} }} }}"""
COMMIT = f"""mutation ($input: OrderEditCommitInput!) {{ orderEditCommit(input: $input) {{
    order {{ version paymentStatus fulfillmentStatus totals {TOTALS} lines {{ id sku quantity }}
             fulfillmentOrders {{ status lines {{ sku quantity }} }} }} userErrors {ERRORS} }} }}"""
PAY = f"""mutation ($input: OrderPaymentCreateInput!) {{ orderPaymentCreate(input: $input) {{
    order {{ paymentStatus fulfillmentStatus fulfillmentOrders {{ status }} }}
    payment {{ status authorized {{ amount }} action {{ type }} }} userErrors {ERRORS} }} }}"""


async def ask(
    database: Database, document: str, given: dict[str, Any], actor: Actor = SYSTEM
) -> dict[str, Any]:
    """Execute one of the mutations; returns its payload."""
    providers = staff(database).environment.payment_providers
    result = await execute(database, document, {"input": given}, actor, payment_providers=providers)
    assert result.errors is None, result.errors
    assert result.data is not None
    (payload,) = result.data.values()
    assert isinstance(payload, dict)
    return payload


async def changing(database: Database, order: Order, quantity: int, **more: Any) -> dict[str, Any]:
    """Return the input that gives the order's one line another quantity."""
    (line,) = await run_sql(database, "SELECT id FROM order_lines WHERE order_id = :id", id=order.id)
    lines = [{"lineId": encode_id("OrderLine", line.id), "quantity": quantity}]
    return {"id": encode_id("Order", order.id), "lines": lines, **more}


async def commit(
    database: Database,
    order: Order,
    given: dict[str, Any],
    version: int | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """Commit an edit of an order as it is now, or as it was at a version."""
    (row,) = await run_sql(database, "SELECT version FROM orders WHERE id = :id", id=order.id)
    more = {"reason": "changed their mind", "idempotencyKey": key or str(uuid4())}
    return await ask(database, COMMIT, {**given, **more, "expectedVersion": version or row.version})


async def shop_with_order(database: Database, *, captured: bool) -> tuple[Shop, Order]:
    shop = await make_stocked_shop(database, 10)
    order, _ = await paid_order(database, captured=captured, shop=shop)
    return shop, order


async def test_units_that_go_are_on_sale_again_and_their_money_is_refunded(database: Database) -> None:
    shop, order = await shop_with_order(database, captured=True)
    given = await changing(database, order, 1)

    looked = (await ask(database, PREVIEW, given))["edit"]
    assert looked["before"]["total"] == {"amount": "25.00"}
    assert looked["after"]["total"] == {"amount": "15.00"}
    assert (looked["difference"], looked["refund"], looked["due"]) == (
        {"amount": "-10.00"},
        {"amount": "10.00"},
        {"amount": "0.00"},
    )
    assert await levels(database, shop) == [(8, 0, 2)], "a look changes nothing"

    with count_statements(database) as statements:
        edited = await commit(database, order, given)
    assert len(statements) <= 26, len(statements)
    assert edited["userErrors"] == []
    assert edited["order"]["totals"]["total"] == {"amount": "15.00"}
    assert edited["order"]["fulfillmentOrders"] == [
        {"status": "OPEN", "lines": [{"sku": shop.variant.sku, "quantity": 1}]}
    ]
    assert await levels(database, shop) == [(9, 0, 1)]
    (charge,) = await charges(database.engine)
    assert (charge.captured_minor, charge.refunded_minor) == (2500, 1000)
    assert "OrderEdited" in [kind for kind, _ in await events(database, order.id)]
    await check_sums(database)


async def test_what_is_only_authorized_is_not_given_back_but_captured_less(database: Database) -> None:
    _, order = await shop_with_order(database, captured=False)
    looked = (await ask(database, PREVIEW, await changing(database, order, 1)))["edit"]
    assert (looked["refund"], looked["due"]) == ({"amount": "0.00"}, {"amount": "0.00"})


async def test_units_that_come_wait_until_they_are_paid_for(database: Database) -> None:
    shop, order = await shop_with_order(database, captured=True)
    edited = await commit(database, order, await changing(database, order, 5))
    assert edited["order"]["totals"]["total"] == {"amount": "55.00"}
    assert edited["order"]["paymentStatus"] == "PARTIALLY_PAID"
    assert sorted(part["status"] for part in edited["order"]["fulfillmentOrders"]) == ["ON_HOLD", "OPEN"]
    assert await levels(database, shop) == [(5, 0, 5)]
    assert (await events(database, order.id))[-2:] == [("OrderEdited", 4), ("OrderHeld", 4)]

    paying = {"id": encode_id("Order", order.id), "payment": {"provider": "sandbox", "method": "decline"}}
    declined = await ask(database, PAY, {**paying, "idempotencyKey": "no"})
    assert declined["userErrors"][0]["declineCode"] == "card_declined"
    assert (await ask(database, PAY, {**paying, "idempotencyKey": "no"})) == declined
    too_much = {**paying, "amount": {"amount": "30.01", "currency": "USD"}, "idempotencyKey": "much"}
    assert (await ask(database, PAY, too_much))["userErrors"][0]["code"] == "AMOUNT_TOO_LARGE"

    paying["payment"] = {"provider": "sandbox", "method": "ok"}
    paid = await ask(database, PAY, {**paying, "idempotencyKey": "yes"})
    assert paid["userErrors"] == []
    assert paid["payment"] == {"status": "AUTHORIZED", "authorized": {"amount": "30.00"}, "action": None}
    assert {part["status"] for part in paid["order"]["fulfillmentOrders"]} == {"OPEN"}
    again = await ask(database, PAY, {**paying, "idempotencyKey": "more"})
    assert again["userErrors"][0]["code"] == "ILLEGAL_TRANSITION"
    await check_sums(database)


async def test_a_late_answer_to_a_further_payment_is_found_out(database: Database) -> None:
    _, order = await shop_with_order(database, captured=True)
    await commit(database, order, await changing(database, order, 3))
    paying = {"id": encode_id("Order", order.id), "payment": {"provider": "sandbox", "method": "timeout"}}
    waiting = await ask(database, PAY, {**paying, "idempotencyKey": "late"})
    assert (waiting["payment"]["status"], waiting["userErrors"]) == ("PENDING", [])
    assert await payment_sweep.settle_due(later(database)) == 1
    known = await ask(database, PAY, {**paying, "idempotencyKey": "late"})
    assert known["payment"]["status"] == "AUTHORIZED"
    assert {part["status"] for part in known["order"]["fulfillmentOrders"]} == {"OPEN"}


async def test_what_is_added_waits_for_a_payment_whose_answer_never_came(database: Database) -> None:
    _, order = await shop_with_order(database, captured=True)
    await commit(database, order, await changing(database, order, 3))

    async def pay(amount: str, method: str) -> dict[str, Any]:
        payment = {"provider": "sandbox", "method": method}
        money = {"amount": amount, "currency": "USD"}
        given = {"id": encode_id("Order", order.id), "payment": payment, "amount": money}
        return await ask(database, PAY, {**given, "idempotencyKey": method})

    assert (await pay("4.00", "timeout"))["payment"]["status"] == "PENDING"
    rest = await pay("6.00", "ok")
    assert rest["payment"]["status"] == "AUTHORIZED"
    assert "ON_HOLD" in {part["status"] for part in rest["order"]["fulfillmentOrders"]}
    assert await payment_sweep.settle_due(later(database)) == 1
    known = await pay("4.00", "timeout")
    assert {part["status"] for part in known["order"]["fulfillmentOrders"]} == {"OPEN"}


async def test_who_asks_for_a_payment_is_told_what_its_payer_has_to_do(database: Database) -> None:
    _, order = await shop_with_order(database, captured=True)
    await commit(database, order, await changing(database, order, 3))
    payment = {"provider": "sandbox", "method": "action_required"}
    given = {"id": encode_id("Order", order.id), "payment": payment, "idempotencyKey": "secure"}
    waiting = await ask(database, PAY, given)
    assert waiting["payment"] == {
        "status": "ACTION_REQUIRED",
        "authorized": {"amount": "0.00"},
        "action": {"type": "sandbox_confirm"},
    }
    assert await ask(database, PAY, given) == waiting


async def test_an_edit_makes_no_total_too_large_to_be_paid(database: Database) -> None:
    shop, order = await shop_with_order(database, captured=False)
    price = {"amount": "9999999999999.99", "currency": "USD"}
    add = [{"variant": {"sku": shop.variant.sku}, "quantity": 2, "unitPrice": price}]
    given = {"id": encode_id("Order", order.id), "add": add}
    [error] = (await ask(database, PREVIEW, given))["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["add"])


async def test_goods_are_added_at_todays_price_or_at_one_that_staff_set(database: Database) -> None:
    shop, order = await shop_with_order(database, captured=False)
    pen = await make_variant(database, shop.channel, sku="PEN", price="3.00")
    await give_stock(database, pen, shop.locations[0], 5)
    given = {
        "id": encode_id("Order", order.id),
        "add": [
            {"variant": {"sku": "PEN"}, "quantity": 2},
            {
                "variant": {"id": encode_id("ProductVariant", pen.id)},
                "quantity": 1,
                "unitPrice": {"amount": "0.50", "currency": "USD"},
            },
        ],
    }
    edited = await commit(database, order, given)
    assert edited["userErrors"] == []
    assert edited["order"]["totals"]["subtotal"] == {"amount": "26.50"}
    assert [(line["sku"], line["quantity"]) for line in edited["order"]["lines"][1:]] == [
        ("PEN", 2),
        ("PEN", 1),
    ]


async def test_too_few_units_change_nothing(database: Database) -> None:
    shop, order = await shop_with_order(database, captured=True)
    for document in (PREVIEW, COMMIT):
        given = await changing(database, order, 11)
        if document is COMMIT:
            refused = await commit(database, order, given)
        else:
            refused = await ask(database, document, given)
        (error,) = refused["userErrors"]
        assert (error["code"], error["path"]) == ("INSUFFICIENT_STOCK", ["lines", "0", "quantity"])
        assert (error["requested"], error["available"]) == (9, 8)
    assert await levels(database, shop) == [(8, 0, 2)]


@pytest.mark.parametrize(
    ("more", "code", "path"),
    [
        ({"lines": []}, "INVALID_INPUT", ["lines"]),
        ({"add": [{"variant": {"sku": "NOTHING"}, "quantity": 1}]}, "NOT_FOUND", ["add", "0", "variant"]),
        ({"add": [{"variant": {"sku": "PEN"}, "quantity": 0}]}, "INVALID_INPUT", ["add", "0", "quantity"]),
        ({"add": [{"variant": {"sku": "PEN"}, "quantity": -5}]}, "INVALID_INPUT", ["add", "0", "quantity"]),
        *(
            (
                {"add": [{"variant": {"sku": "PEN"}, "quantity": 1, "unitPrice": price}]},
                "INVALID_INPUT",
                ["add", "0", "unitPrice", field],
            )
            for price, field in (
                ({"amount": "-0.01", "currency": "USD"}, "amount"),
                ({"amount": "1.005", "currency": "USD"}, "amount"),
                ({"amount": "1", "currency": "EUR"}, "currency"),
                ({"amount": "1E+30", "currency": "USD"}, "amount"),
            )
        ),
    ],
)
async def test_bad_input_names_its_field(
    database: Database, more: dict[str, Any], code: str, path: list[str]
) -> None:
    shop, order = await shop_with_order(database, captured=False)
    await make_variant(database, shop.channel, sku="PEN", price="3.00")
    refused = await commit(database, order, {"id": encode_id("Order", order.id), **more})
    assert (refused["userErrors"][0]["code"], refused["userErrors"][0]["path"]) == (code, path)
    assert refused["order"] is None


async def test_an_edit_is_of_the_order_that_was_looked_at_and_is_done_once(database: Database) -> None:
    _, order = await shop_with_order(database, captured=True)
    given = await changing(database, order, 1)
    stale = await commit(database, order, given, version=1)
    assert stale["userErrors"][0]["code"] == "VERSION_CONFLICT"
    (row,) = await run_sql(database, "SELECT version FROM orders WHERE id = :id", id=order.id)
    first = await commit(database, order, given, row.version, key="once")
    assert first["userErrors"] == []
    assert await commit(database, order, given, row.version, key="once") == first
    (charge,) = await charges(database.engine)
    assert charge.refunded_minor == 1000


async def test_of_edits_at_once_one_is_done(database: Database) -> None:
    shop, order = await shop_with_order(database, captured=True)
    (row,) = await run_sql(database, "SELECT version FROM orders WHERE id = :id", id=order.id)
    given = [await changing(database, order, 1), *[await changing(database, order, 4)] * 4]
    ends = await asyncio.gather(*(commit(database, order, one, row.version) for one in given))
    assert sorted(len(end["userErrors"]) for end in ends) == [0, 1, 1, 1, 1]
    ((available, _, committed),) = await levels(database, shop)
    assert available + committed == 10
    (line,) = await run_sql(database, "SELECT quantity FROM order_lines WHERE order_id = :id", id=order.id)
    assert line.quantity == committed


async def test_only_open_orders_are_edited_and_only_by_who_may(database: Database) -> None:
    _, order = await shop_with_order(database, captured=False)
    await run_sql(database, "UPDATE orders SET status = 'COMPLETED' WHERE id = :id", id=order.id)
    refused = await commit(database, order, await changing(database, order, 1))
    assert (refused["userErrors"][0]["code"], refused["userErrors"][0]["current"]) == (
        "ILLEGAL_TRANSITION",
        "COMPLETED",
    )
    given = {**await changing(database, order, 1)}
    result = await execute(database, PREVIEW, {"input": given}, ANONYMOUS)
    assert result.errors is not None
    assert isinstance(result.errors[0].original_error, AccessDenied)
    unknown = {**given, "id": encode_id("Order", UUID(int=7))}
    assert (await ask(database, PREVIEW, unknown))["userErrors"][0]["code"] == "NOT_FOUND"


async def test_what_an_edit_gave_back_is_taken_again_with_the_last_parcel(database: Database) -> None:
    _, order = await shop_with_order(database, captured=True)
    await commit(database, order, await changing(database, order, 1))
    await commit(database, order, await changing(database, order, 3))
    given = {"id": encode_id("Order", order.id), "idempotencyKey": "rest"}
    paid = await ask(database, PAY, {**given, "payment": {"provider": "sandbox", "method": "ok"}})
    assert paid["payment"]["authorized"] == {"amount": "20.00"}
    parts = (await parts_of(database, order.id)).fulfillment_orders
    sent = [await fulfill(staff(database), part) for part in parts][-1]
    # 25.00 at first, of which 10.00 went back, and the 20.00 that two more mugs cost.
    assert sum(one.captured_minor - one.refunded_minor for one in await charges(database.engine)) == 3500
    assert (sent.order.status, sent.order.total_minor) == (OrderStatus.COMPLETED, 3500)
    await check_sums(database)


async def test_an_edit_after_which_nothing_is_left_to_leave_takes_the_rest(database: Database) -> None:
    shop, order = await shop_with_order(database, captured=False)
    await capture_at(database, shop, "MANUAL")
    part = await part_at(database, order.id)
    await fulfillment.split(staff(database), part.id, {part.lines[0].id: 1}, None, "split")
    await fulfill(staff(database), await part_at(database, order.id))
    await capture_at(database, shop, "AT_SHIPMENT")
    edited = await commit(database, order, await changing(database, order, 1))
    assert edited["order"]["paymentStatus"] == "PAID"
    assert [one.captured_minor for one in await charges(database.engine)] == [1500]
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED
    await check_sums(database)
