"""Holds: staff put and release them, an order waits while any is left, and money ends its own."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.scalars import encode_id
from domain.catalog import VariantRef
from domain.fulfillment import FulfillmentOrder
from domain.inventory import AdjustReason
from domain.orders import Order
from persistence import orders as order_rows
from persistence.database import Database
from services import inventory, order_holds, orders, stock_losses
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, make_stocked_shop, till
from tests.factories import execute, make_app, make_context
from tests.reviews import ordered, payloads
from tests.statements import count_statements

STAFF = make_app(Permission.ORDERS_READ, Permission.ORDERS_WRITE)
HOLDS = "holds { id kind ofReview note createdBy createdAt }"


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await make_stocked_shop(database, 9)


async def ask(database: Database, verb: str, actor: Actor = STAFF, **given: Any) -> dict[str, Any]:
    document = f"""mutation ($input: FulfillmentOrderHold{verb}Input!) {{
      fulfillmentOrderHold{verb}(input: $input) {{
        fulfillmentOrder {{ id status {HOLDS} }} order {{ version fulfillmentStatus }}
        userErrors {{ __typename code path message }} }} }}"""
    given.setdefault("idempotencyKey", str(uuid4()))
    result = await execute(database, document, {"input": given}, actor)
    assert result.errors is None, result.errors
    assert result.data is not None
    return dict(result.data[f"fulfillmentOrderHold{verb}"])


async def part_of(database: Database, order: Order) -> tuple[Order, FulfillmentOrder]:
    async with database.transaction() as connection:
        found = await order_rows.lock(connection, order.id)
    assert found is not None
    return found[0], found[1].fulfillment_orders[0]


async def add(database: Database, order: Order, kind: str, **given: Any) -> dict[str, Any]:
    _, part = await part_of(database, order)
    part_id = encode_id("FulfillmentOrder", part.id)
    return await ask(database, "Add", fulfillmentOrderId=part_id, kind=kind, **given)


async def test_a_hold_keeps_an_order_until_the_last_is_released(database: Database, shop: Shop) -> None:
    order = await ordered(database, shop)
    with count_statements(database) as sent:
        first = await add(database, order, "INCORRECT_ADDRESS", note=" no such street ", expectedVersion=1)
    # The part's order, BEGIN, key, order, hold, order, audit entry, event with answer, COMMIT; one to look.
    assert len(sent) <= 13, sent
    assert first["userErrors"] == []
    assert (first["fulfillmentOrder"]["status"], first["order"]["fulfillmentStatus"]) == (
        "ON_HOLD",
        "ON_HOLD",
    )
    [hold] = first["fulfillmentOrder"]["holds"]
    assert (hold["kind"], hold["note"], hold["ofReview"]) == ("INCORRECT_ADDRESS", "no such street", False)
    assert hold["createdBy"] == STAFF.label
    second = await add(database, order, "OTHER")
    one, other = second["fulfillmentOrder"]["holds"]
    released = await ask(database, "Release", id=one["id"], note="found it")
    assert (released["fulfillmentOrder"]["status"], released["fulfillmentOrder"]["holds"]) == (
        "ON_HOLD",
        [other],
    )
    free = await ask(database, "Release", id=other["id"])
    assert (free["fulfillmentOrder"]["status"], free["fulfillmentOrder"]["holds"]) == ("OPEN", [])
    assert free["order"] == {"version": 5, "fulfillmentStatus": "UNFULFILLED"}
    again = await ask(database, "Release", id=other["id"])
    assert again == free, "releasing what is released changes nothing"
    assert await events(database, order.id) == [
        ("OrderPlaced", 1),
        ("OrderHeld", 2),
        ("OrderHeld", 3),
        ("OrderHoldReleased", 4),
        ("OrderHoldReleased", 5),
    ]
    assert [told["kinds"] for told in await payloads(database, "OrderHeld")] == [
        ["INCORRECT_ADDRESS"],
        ["OTHER"],
    ]
    async with database.read() as connection:
        trail = await connection.execute(
            text(
                "SELECT actor, action FROM audit_entries WHERE target_kind = 'fulfillment_order' ORDER BY id"
            )
        )
        assert [tuple(row) for row in trail] == [
            (STAFF.label, f"FulfillmentOrderHold{verb}")
            for verb in ("Added", "Added", "Released", "Released")
        ]


async def test_a_key_puts_one_hold(database: Database, shop: Shop) -> None:
    order = await ordered(database, shop)
    for _ in range(2):
        held = await add(database, order, "OTHER", idempotencyKey="key")
        assert len(held["fulfillmentOrder"]["holds"]) == 1
    other = await add(database, order, "INCORRECT_ADDRESS", idempotencyKey="key")
    assert other["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_lost_units_are_a_hold_among_others(database: Database, shop: Shop) -> None:
    order = await ordered(database, shop, 5)
    await add(database, order, "OTHER")
    await _count(database, shop, -6)
    document = f"query ($ref: OrderRef!) {{ order(ref: $ref) {{ fulfillmentOrders {{ status {HOLDS} }} }} }}"
    shown = await execute(database, document, {"ref": {"number": order.number}}, STAFF)
    assert shown.data is not None
    [part] = shown.data["order"]["fulfillmentOrders"]
    assert [(hold["kind"], hold["id"] is None) for hold in part["holds"]] == [
        ("OTHER", False),
        ("INVENTORY_OUT_OF_STOCK", True),
    ]
    freed = await ask(database, "Release", id=part["holds"][0]["id"])
    assert freed["fulfillmentOrder"]["status"] == "ON_HOLD", "units are lacking still"
    await add(database, order, "OTHER")
    await _count(database, shop, +9)
    await stock_losses.refill(make_context(database))
    _, kept = await part_of(database, order)
    assert (kept.status.value, kept.lacks_units) == ("ON_HOLD", False), (
        "stock came, and staff's hold keeps it"
    )
    await ask(database, "Release", id=encode_id("FulfillmentOrderHold", kept.holds[0].id))
    assert (await part_of(database, order))[1].status.value == "OPEN"


async def test_what_stock_decides_no_person_puts(database: Database, shop: Shop) -> None:
    held = await add(database, await ordered(database, shop), "INVENTORY_OUT_OF_STOCK")
    assert [(error["code"], error["path"]) for error in held["userErrors"]] == [("INVALID_INPUT", ["kind"])]


async def test_a_reviews_hold_ends_with_the_review_and_others_stay(database: Database, shop: Shop) -> None:
    order = await ordered(database, shop, method="review")
    held = await add(database, order, "INCORRECT_ADDRESS")
    of_review, own = held["fulfillmentOrder"]["holds"]
    assert (of_review["ofReview"], own["ofReview"]) == (True, False)
    refused = await ask(database, "Release", id=of_review["id"])
    assert refused["userErrors"][0]["__typename"] == "IllegalTransitionError"
    approved = await orders.approve(till(database, SYSTEM), order.id, None, "key")
    assert approved.fulfillment_status.value == "ON_HOLD"
    _, part = await part_of(database, order)
    assert [encode_id("FulfillmentOrderHold", hold.id) for hold in part.holds] == [own["id"]]
    free = await ask(database, "Release", id=own["id"])
    assert free["fulfillmentOrder"]["status"] == "OPEN"


async def test_while_an_order_waits_for_approval_releasing_opens_nothing(
    database: Database, shop: Shop
) -> None:
    order = await ordered(database, shop, method="review")
    held = await add(database, order, "OTHER")
    released = await ask(database, "Release", id=held["fulfillmentOrder"]["holds"][1]["id"])
    assert released["fulfillmentOrder"]["status"] == "ON_HOLD"


async def test_canceling_ends_every_hold(database: Database, shop: Shop) -> None:
    order = await ordered(database, shop)
    held = await add(database, order, "OTHER")
    await orders.cancel(till(database, SYSTEM), OrderRef(number=order.number), "gone", None, "key")
    _, part = await part_of(database, order)
    assert (part.status.value, part.holds) == ("CANCELED", ())
    late = await add(database, order, "OTHER")
    assert late["userErrors"][0]["code"] == "ILLEGAL_TRANSITION"
    again = await ask(database, "Release", id=held["fulfillmentOrder"]["holds"][0]["id"])
    assert again["userErrors"] == []


@pytest.mark.parametrize("status", ["IN_PROGRESS", "CLOSED"])
async def test_what_is_being_worked_on_is_not_held(database: Database, shop: Shop, status: str) -> None:
    order = await ordered(database, shop)
    await run_sql(database, f"UPDATE fulfillment_orders SET status = '{status}'")
    held = await add(database, order, "OTHER")
    assert held["userErrors"][0]["code"] == "ILLEGAL_TRANSITION"
    assert held["userErrors"][0]["path"] == ["fulfillmentOrderId"]


async def test_what_is_wrong_is_named(database: Database, shop: Shop) -> None:
    order = await ordered(database, shop)
    stale = await add(database, order, "OTHER", expectedVersion=7)
    assert stale["userErrors"][0]["code"] == "VERSION_CONFLICT"
    blank = await add(database, order, "OTHER", note=" ")
    assert blank["userErrors"][0]["path"] == ["note"]
    nobody = encode_id("FulfillmentOrder", UUID(int=1))
    unknown = await ask(database, "Add", fulfillmentOrderId=nobody, kind="OTHER")
    assert (unknown["userErrors"][0]["code"], unknown["userErrors"][0]["path"]) == (
        "NOT_FOUND",
        ["fulfillmentOrderId"],
    )
    unknown = await ask(database, "Release", id=encode_id("FulfillmentOrderHold", UUID(int=1)))
    assert (unknown["userErrors"][0]["code"], unknown["userErrors"][0]["path"]) == ("NOT_FOUND", ["id"])


async def test_unpaid_orders_wait_for_the_money_where_the_channel_says_so(
    database: Database, shop: Shop
) -> None:
    later: dict[str, Any] = {"provider": "manual", "method": "bank_transfer"}
    at_once = await ordered(database, shop, **later)
    assert (await part_of(database, at_once))[1].status.value == "OPEN"
    await run_sql(database, "UPDATE channels SET hold_unpaid = true")
    order = await ordered(database, shop, **later)
    assert (order.status.value, order.fulfillment_status.value) == ("OPEN", "ON_HOLD")
    assert await events(database, order.id) == [("OrderPlaced", 1), ("OrderHeld", 1)]
    _, part = await part_of(database, order)
    assert [(hold.kind.value, hold.of_review) for hold in part.holds] == [("AWAITING_PAYMENT", False)]
    assert (await part_of(database, await ordered(database, shop)))[1].status.value == "OPEN", (
        "it is authorized"
    )
    context = till(database, SYSTEM)
    assert await order_holds.release_paid(context) == 0
    await run_sql(
        database,
        "UPDATE payments SET status = 'CAPTURED', authorized_minor = amount_minor,"
        f" captured_minor = amount_minor WHERE order_id = '{order.id}'",
    )
    await run_sql(database, f"UPDATE orders SET payment_status = 'PAID' WHERE id = '{order.id}'")
    assert await order_holds.release_paid(context) == 1
    assert await order_holds.release_paid(context) == 0
    _, part = await part_of(database, order)
    assert (part.status.value, part.holds) == ("OPEN", ())
    assert (await events(database, order.id))[-1] == ("OrderHoldReleased", 2)


async def test_only_who_may_change_orders_holds_them(database: Database, shop: Shop) -> None:
    _, part = await part_of(database, await ordered(database, shop))
    given = {"fulfillmentOrderId": encode_id("FulfillmentOrder", part.id), "kind": "OTHER"}
    for actor in (ANONYMOUS, make_app(Permission.ORDERS_READ)):
        with pytest.raises(AssertionError, match=r"token|permission"):
            await ask(database, "Add", actor, **given)


async def _count(database: Database, shop: Shop, delta: int) -> None:
    reason = AdjustReason.LOST if delta < 0 else AdjustReason.FOUND
    ref, code = VariantRef(sku=shop.variant.sku), shop.locations[0].code
    await inventory.adjust(make_context(database), ref, code, delta, reason, str(uuid4()))
