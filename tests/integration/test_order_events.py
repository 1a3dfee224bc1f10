"""Orders live: what staff and shoppers are told, resumed without a gap, and to nobody else."""

from typing import Any
from uuid import uuid4

import pytest

from api.faults import RequestRefused
from persistence.database import Database
from services import orders
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from services.order_imports import import_orders
from services.orders import OrderRef
from services.payment_attempts import Placed
from tests.checkouts import make_stocked_shop, order_now, till
from tests.factories import make_app, make_context
from tests.live import following, live

STAFF = """subscription ($after: String) { orderEvents(after: $after) {
    cursor kind occurredAt version imported
    order { number status version payments { status } fulfillmentOrders { location { code } } } } }"""
SHOPPER = """subscription ($ref: OrderRef!, $after: String) { orderUpdated(ref: $ref, after: $after) {
    cursor kind version
    order { number status paymentStatus version fulfillmentOrders { location { code } } } } }"""


async def test_staff_see_every_order_and_resume_without_a_gap(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    staff = make_app(Permission.ORDERS_READ)
    async with live(database) as feed:
        async with following(database, feed, STAFF, actor=staff) as answers:
            first = await order_now(database, shop, 1, "review")
            assert first.order
            placed, required = await answers.events(2)
            assert (required["kind"], required["version"]) == ("OrderReviewRequired", 1)
        assert (placed["kind"], placed["version"], placed["imported"]) == ("OrderPlaced", 1, False)
        assert placed["order"]["status"] == "PENDING_APPROVAL"
        assert placed["order"]["fulfillmentOrders"] == [{"location": {"code": shop.locations[0].code}}]
        # Away: the order is rejected and voided, another is placed.
        await orders.reject(till(database, SYSTEM), first.order.id, "fraud", None, "key")
        second = await order_now(database, shop, 1)
        assert second.order
        async with following(database, feed, STAFF, {"after": required["cursor"]}, staff) as answers:
            missed = await answers.events(3)
            assert await answers.silent_for(0.3)
    assert [(one["kind"], one["version"], one["order"]["number"]) for one in missed] == [
        ("OrderRejected", 2, first.order.number),
        ("PaymentVoided", 3, first.order.number),
        ("OrderPlaced", 1, second.order.number),
    ]
    assert missed[0]["order"]["version"] == 3, "the order is as it is when the event is delivered"


async def test_a_guest_follows_the_order_by_its_token(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    mine, other = await order_now(database, shop, 1), await order_now(database, shop, 1)
    ref = {"token": mine.order_token}
    async with live(database) as feed, following(database, feed, SHOPPER, {"ref": ref}, ANONYMOUS) as answers:
        await _cancel(database, other)
        await _cancel(database, mine)
        canceled, voided = await answers.events(2)
        assert await answers.silent_for(0.3)
    assert mine.order
    assert [canceled["kind"], voided["kind"]] == ["OrderCanceled", "PaymentVoided"]
    assert voided["order"] == {
        "number": mine.order.number,
        "status": "CANCELED",
        "paymentStatus": "VOIDED",
        "version": 3,
        "fulfillmentOrders": [{"location": None}],
    }


async def test_imported_orders_are_marked_as_history(database: Database) -> None:
    shop = await make_stocked_shop(database, 1)
    row = {"order": "1", "channel": shop.channel.slug, "placedAt": "2011-01-01", "sku": "X", "quantity": 1}
    async with live(database) as feed, following(database, feed, STAFF) as answers:
        await import_orders(make_context(database), "old", [(1, {**row, "unitPrice": "1"})])
        (event,) = await answers.events(1)
    assert (event["kind"], event["imported"]) == ("OrderPlaced", True)
    assert event["occurredAt"] == "2011-01-01T00:00:00+00:00"


async def test_a_revoked_token_ends_the_subscription(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    placed = await order_now(database, shop, 1)
    assert placed.order
    ref = {"token": placed.order_token}
    async with live(database) as feed, following(database, feed, SHOPPER, {"ref": ref}, ANONYMOUS) as answers:
        async with database.transaction() as connection:
            await connection.exec_driver_sql("UPDATE orders SET token_generation = 2")
        by_number = OrderRef(number=placed.order.number)
        await orders.cancel(till(database, SYSTEM), by_number, "x", None, str(uuid4()))
        answer = await answers.next()
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert await answers.next() is None


@pytest.mark.parametrize(
    ("actor", "document", "ref", "code"),
    [
        (ANONYMOUS, STAFF, None, "UNAUTHENTICATED"),
        (make_app(Permission.CARTS_READ), STAFF, None, "FORBIDDEN"),
        (ANONYMOUS, SHOPPER, {"token": "x"}, "BAD_USER_INPUT"),
        (ANONYMOUS, SHOPPER, {"number": "100001"}, "BAD_USER_INPUT"),
    ],
)
async def test_who_may_not_is_told_so(
    database: Database, actor: Actor, document: str, ref: dict[str, str] | None, code: str
) -> None:
    variables: dict[str, Any] = {"ref": ref} if ref else {}
    async with live(database) as feed:
        try:
            async with following(database, feed, document, variables, actor) as answers:
                errors = (await answers.next())["errors"]
        except RequestRefused as refused:
            errors = refused.errors
    assert errors[0]["extensions"]["code"] == code


async def _cancel(database: Database, placed: Placed) -> None:
    await orders.cancel(till(database), OrderRef(token=placed.order_token), "x", None, str(uuid4()))
