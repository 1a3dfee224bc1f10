"""Orders through GraphQL: placing, reading, approving, rejecting, canceling; who may, and what it costs."""

from typing import Any
from uuid import uuid4

import pytest

from api.scalars import decode_id, encode_id
from persistence.database import Database
from providers.payments.sandbox import charges
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from services.order_sweeps import expire_waiting
from services.payment_sweep import settle_due
from tests.checkouts import (
    Shop,
    cart_status,
    events,
    later,
    levels,
    make_ready_cart,
    make_stocked_shop,
    order_now,
    till,
)
from tests.factories import execute, make_app
from tests.statements import count_statements

MONEY = "{ amount currency }"
ORDER = f"""{{
  id number status paymentStatus fulfillmentStatus version email placedAt channel {{ slug }}
  lines {{ id sku name quantity unitPrice {MONEY} total {MONEY} quantityShipped quantityReturned }}
  shippingAddress {{ name line1 city country }} billingAddress {{ name }}
  totals {{ subtotal {MONEY} shipping {MONEY} tax {MONEY} discount {MONEY} total {MONEY} }}
  fulfillmentOrders {{ id status location {{ code }} lines {{ sku quantity quantityShipped }} }}
  shipments {{ id status }}
  payments {{ id provider status authorized {MONEY} captured {MONEY} refunded {MONEY} }}
}}"""
ERRORS = """{
  __typename code message path
  ... on IllegalTransitionError { current allowed }
  ... on VersionConflictError { currentVersion }
  ... on CartIncompleteError { missing }
  ... on PaymentDeclinedError { declineCode }
  ... on InsufficientStockError { sku requested available }
}"""
PLACE = f"""mutation ($input: OrderPlaceInput!) {{ orderPlace(input: $input) {{
  order {ORDER} orderToken payment {{ id status }} userErrors {ERRORS} }} }}"""


async def ask(
    database: Database, document: str, variables: dict[str, Any], actor: Actor = ANONYMOUS
) -> dict[str, Any]:
    """Execute as somebody, with the product's payment providers."""
    providers = till(database).environment.payment_providers
    result = await execute(database, document, variables, actor, payment_providers=providers)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


async def place(database: Database, token: str, method: str = "ok", key: str | None = None) -> dict[str, Any]:
    given = {
        "cartToken": token,
        "payment": {"provider": "sandbox", "method": method},
        "idempotencyKey": key or str(uuid4()),
    }
    payload: dict[str, Any] = (await ask(database, PLACE, {"input": given}))["orderPlace"]
    return payload


async def change(
    database: Database, name: str, actor: Actor = SYSTEM, key: str | None = None, **given: Any
) -> dict[str, Any]:
    type_name = name[0].upper() + name[1:] + "Input"
    document = f"""mutation ($input: {type_name}!) {{ {name}(input: $input) {{
        order {ORDER} userErrors {ERRORS} }} }}"""
    given["idempotencyKey"] = key or str(uuid4())
    payload: dict[str, Any] = (await ask(database, document, {"input": given}, actor))[name]
    return payload


async def read(database: Database, actor: Actor = ANONYMOUS, **ref: str) -> Any:
    document = f"query ($ref: OrderRef!) {{ order(ref: $ref) {ORDER} }}"
    return (await ask(database, document, {"ref": ref}, actor))["order"]


async def waiting_order(database: Database) -> tuple[Shop, dict[str, Any]]:
    """Return a shop and an order of 2 of its 5 units that waits for approval."""
    shop = await make_stocked_shop(database, 5)
    placed = await place(database, await make_ready_cart(database, shop, 2), "review")
    assert placed["order"]["status"] == "PENDING_APPROVAL"
    assert placed["order"]["fulfillmentStatus"] == "ON_HOLD"
    return shop, placed


async def test_what_is_placed_is_what_is_read(database: Database) -> None:
    shop = await make_stocked_shop(database, 6, 20)
    token = await make_ready_cart(database, shop, 10)
    with count_statements(database) as statements:
        placed = await place(database, token)
    assert len(statements) <= 13, statements
    assert placed["userErrors"] == []
    assert placed["payment"]["status"] == "AUTHORIZED"
    order = placed["order"]
    assert order["totals"]["total"] == {"amount": "105.00", "currency": "USD"}
    assert order["lines"][0]["total"] == {"amount": "100.00", "currency": "USD"}
    assert [part["location"] for part in order["fulfillmentOrders"]] == [None, None], "not for shoppers"
    assert sorted(part["lines"][0]["quantity"] for part in order["fulfillmentOrders"]) == [4, 6]
    with count_statements(database) as statements:
        assert await read(database, token=placed["orderToken"]) == order
    assert len(statements) <= 4, statements
    with count_statements(database) as statements:
        for_staff = await read(database, SYSTEM, number=order["number"])
    assert len(statements) <= 5, statements
    assert {part["location"]["code"] for part in for_staff["fulfillmentOrders"]} == {
        where.code for where in shop.locations
    }
    assert await read(database, SYSTEM, id=order["id"]) == for_staff


async def test_an_order_is_nobodys_business_but_its_owners(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await place(database, await make_ready_cart(database, shop, 2))
    order = placed["order"]
    for actor in (ANONYMOUS, make_app(Permission.CARTS_READ)):
        assert await read(database, actor, id=order["id"]) is None
        assert await read(database, actor, number=order["number"]) is None
    assert await read(database, make_app(Permission.ORDERS_READ), number=order["number"])
    for token in (
        "",
        "x",
        placed["orderToken"][:-2],
        till(database).environment.tokens.sign("cart", uuid4(), 1),
    ):
        assert await read(database, token=token) is None
    assert await read(database, SYSTEM, number="no such\0number") is None
    assert await read(database, SYSTEM, id=placed["payment"]["id"]) is None


async def test_a_declined_payment_is_a_typed_answer(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    declined = await place(database, token, "decline")
    assert (declined["order"], declined["orderToken"]) == (None, None)
    assert declined["userErrors"][0]["__typename"] == "PaymentDeclinedError"
    assert declined["userErrors"][0]["declineCode"] == "card_declined"
    assert await cart_status(database, token) == "ACTIVE"


async def test_an_unknown_outcome_is_neither_order_nor_error(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    first = await place(database, token, "timeout", "key")
    assert (first["order"], first["userErrors"]) == (None, [])
    assert first["payment"]["status"] == "PENDING"
    await settle_due(later(database))
    final = await place(database, token, "timeout", "key")
    assert final["order"]["paymentStatus"] == "AUTHORIZED"
    assert final["orderToken"]


async def test_approval_opens_the_order_and_releases_its_parts(database: Database) -> None:
    _, placed = await waiting_order(database)
    order = placed["order"]
    approved = await change(database, "orderApprove", key="key", id=order["id"], expectedVersion=1)
    assert approved["userErrors"] == []
    assert (approved["order"]["status"], approved["order"]["version"]) == ("OPEN", 2)
    assert approved["order"]["fulfillmentStatus"] == "UNFULFILLED"
    assert [part["status"] for part in approved["order"]["fulfillmentOrders"]] == ["OPEN"]
    for key in ("key", "other key"):
        again = await change(database, "orderApprove", key=key, id=order["id"], expectedVersion=1)
        assert again["order"] == approved["order"], "repeating what was done is a no-op"
    kinds = await events(database, _row_id(order))
    assert kinds == [("OrderPlaced", 1), ("OrderReviewRequired", 1), ("OrderApproved", 2)]


async def test_rejection_returns_the_stock_and_voids(database: Database) -> None:
    shop, placed = await waiting_order(database)
    order = placed["order"]
    rejected = await change(database, "orderReject", id=order["id"], reason="looks like fraud")
    assert (rejected["order"]["status"], rejected["order"]["paymentStatus"]) == ("REJECTED", "VOIDED")
    assert [part["status"] for part in rejected["order"]["fulfillmentOrders"]] == ["CANCELED"]
    assert await levels(database, shop) == [(5, 0, 0)]
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED"]
    kinds = await events(database, _row_id(order))
    waited = [("OrderPlaced", 1), ("OrderReviewRequired", 1)]
    assert kinds == [*waited, ("OrderRejected", 2), ("PaymentVoided", 3)]
    late = await change(database, "orderApprove", id=order["id"])
    assert late["order"] is None
    assert late["userErrors"][0]["__typename"] == "IllegalTransitionError"
    assert (late["userErrors"][0]["current"], late["userErrors"][0]["allowed"]) == ("REJECTED", [])


async def test_a_shopper_cancels_by_token(database: Database) -> None:
    shop = await make_stocked_shop(database, 1, 4)
    placed = await place(database, await make_ready_cart(database, shop, 3))
    ref = {"token": placed["orderToken"]}
    with count_statements(database) as statements:
        canceled = await change(database, "orderCancel", ANONYMOUS, "key", ref=ref, reason="too late")
    assert len(statements) <= 20, statements
    assert canceled["userErrors"] == []
    assert (canceled["order"]["status"], canceled["order"]["paymentStatus"]) == ("CANCELED", "VOIDED")
    assert await levels(database, shop) == [(1, 0, 0), (4, 0, 0)]
    for key in ("key", "other"):
        again = await change(database, "orderCancel", ANONYMOUS, key, ref=ref, reason="too late")
        assert again["order"] == canceled["order"]
    assert await levels(database, shop) == [(1, 0, 0), (4, 0, 0)]
    reused = await change(database, "orderCancel", ANONYMOUS, "key", ref=ref, reason="another reason")
    assert reused["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_callers_key_is_for_one_order_and_one_callers_alone(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    first, second = [
        (await place(database, await make_ready_cart(database, shop, 1), "review"))["order"] for _ in range(2)
    ]
    app, other_app = make_app(Permission.ORDERS_WRITE), make_app(Permission.ORDERS_WRITE)
    approved = await change(database, "orderApprove", app, "key", id=first["id"])
    assert approved["order"]["status"] == "OPEN"
    reused = await change(database, "orderApprove", app, "key", id=second["id"])
    assert reused["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await read(database, SYSTEM, id=second["id"]))["status"] == "PENDING_APPROVAL"
    theirs = await change(database, "orderApprove", other_app, "key", id=second["id"])
    assert theirs["order"]["status"] == "OPEN"


async def test_two_shoppers_may_use_the_same_key(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    for _ in range(2):
        placed = await place(database, await make_ready_cart(database, shop, 1))
        ref = {"token": placed["orderToken"]}
        canceled = await change(database, "orderCancel", ANONYMOUS, "key", ref=ref, reason="too late")
        assert canceled["order"]["status"] == "CANCELED"


async def test_what_nobody_approves_in_time_expires(database: Database) -> None:
    shop, placed = await waiting_order(database)
    approved = (await place(database, await make_ready_cart(database, shop, 1), "review"))["order"]
    await change(database, "orderApprove", id=approved["id"])
    system = till(database, SYSTEM)
    assert await expire_waiting(system) == 0, "it has days to go"
    overdue = later(database, hours=24 * 7, actor=SYSTEM)
    assert await expire_waiting(overdue) == 1
    assert await expire_waiting(overdue) == 0
    expired = await read(database, token=placed["orderToken"])
    assert (expired["status"], expired["paymentStatus"]) == ("EXPIRED", "VOIDED")
    assert await levels(database, shop) == [(4, 0, 1)]
    kinds = await events(database, _row_id(expired))
    waited = [("OrderPlaced", 1), ("OrderReviewRequired", 1)]
    assert kinds == [*waited, ("OrderExpired", 2), ("PaymentVoided", 3)]


async def test_orders_waiting_for_approval_are_rejected_not_canceled(database: Database) -> None:
    _, placed = await waiting_order(database)
    refused = await change(database, "orderCancel", ref={"number": placed["order"]["number"]}, reason="x")
    assert refused["userErrors"][0]["current"] == "PENDING_APPROVAL"
    assert refused["userErrors"][0]["allowed"] == ["EXPIRED", "OPEN", "REJECTED"]


async def test_changes_name_what_is_wrong_with_them(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await place(database, await make_ready_cart(database, shop, 2))
    order = placed["order"]
    stale = await change(database, "orderCancel", ref={"id": order["id"]}, reason="x", expectedVersion=7)
    assert stale["userErrors"][0]["currentVersion"] == 1
    blank = await change(database, "orderCancel", ref={"id": order["id"]}, reason=" ")
    assert blank["userErrors"][0]["path"] == ["reason"]
    for ref in ({"id": order["lines"][0]["id"]}, {"number": "0"}, {"token": "x"}):
        unknown = await change(database, "orderCancel", ref=ref, reason="x")
        assert unknown["userErrors"][0]["code"] == "NOT_FOUND", ref
    malformed = await change(database, "orderCancel", ref={"id": "%"}, reason="x")
    assert malformed["userErrors"][0]["path"] == ["ref", "id"]
    unknown = await change(database, "orderApprove", id=_order_id(uuid4()))
    assert unknown["userErrors"][0]["code"] == "NOT_FOUND"


async def test_staff_need_a_permission_to_change_orders(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    order = (await order_now(database, shop, 2)).order
    assert order is not None
    for actor, code in ((ANONYMOUS, "UNAUTHENTICATED"), (make_app(Permission.ORDERS_READ), "FORBIDDEN")):
        with pytest.raises(AssertionError, match="permission" if code == "FORBIDDEN" else "token"):
            await change(database, "orderCancel", actor, ref={"number": order.number}, reason="x")


@pytest.mark.parametrize("name", ["id", "number"])
async def test_who_may_change_orders_cancels_them_by_any_name(database: Database, name: str) -> None:
    shop = await make_stocked_shop(database, 5)
    order = (await place(database, await make_ready_cart(database, shop, 2)))["order"]
    writer = make_app(Permission.ORDERS_WRITE)
    canceled = await change(database, "orderCancel", writer, ref={name: order[name]}, reason="x")
    assert canceled["userErrors"] == []
    assert canceled["order"]["status"] == "CANCELED"


async def test_a_void_whose_answer_never_came_is_finished_by_the_sweep(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await place(database, await make_ready_cart(database, shop, 2))
    given = {"ref": {"token": placed["orderToken"]}, "reason": "x", "idempotencyKey": "key"}
    document = (
        "mutation ($input: OrderCancelInput!) { orderCancel(input: $input) { order { paymentStatus } } }"
    )
    result = await execute(database, document, {"input": given}, ANONYMOUS, payment_providers={})
    assert result.data == {"orderCancel": {"order": {"paymentStatus": "AUTHORIZED"}}}
    assert await settle_due(later(database)) == 1
    assert (await read(database, token=placed["orderToken"]))["paymentStatus"] == "VOIDED"
    assert await settle_due(later(database)) == 0


def _row_id(order: dict[str, Any]) -> Any:
    return decode_id("Order", order["id"])


def _order_id(row_id: Any) -> str:
    return encode_id("Order", row_id)
