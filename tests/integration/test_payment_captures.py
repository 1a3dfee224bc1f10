"""When a channel captures: as an order opens, as its parcels leave, or when staff say so."""

import asyncio
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.kernel.errors import NotFound
from persistence.database import Database
from providers.payments.sandbox import charges
from services import orders, payment_changes
from services.order_placement import place
from services.payment_captures import capture_for_shipment
from services.payment_sweep import settle_due
from tests.checkouts import events, later, make_ready_cart, make_stocked_shop, till
from tests.factories import data_of
from tests.payments import (
    Dies,
    Unreachable,
    capture_at,
    check_sums,
    dollars,
    paid_order,
    payment_now,
    staff,
    transactions,
)
from tests.statements import count_statements


async def test_a_channel_that_captures_at_placement_does(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    await capture_at(database, shop, "AT_PLACEMENT")
    token = await make_ready_cart(database, shop, 2)
    with count_statements(database) as statements:
        placed = await place(till(database), token, "sandbox", "ok", "key")
    assert len(statements) <= 20, statements
    assert placed.order is not None
    assert (placed.order.payment_status, placed.payment.status) == ("PAID", "CAPTURED")
    assert await events(database, placed.order.id) == [("OrderPlaced", 1), ("PaymentCaptured", 2)]
    again = await place(till(database), token, "sandbox", "ok", "key")
    assert (again.order, again.payment) == (placed.order, placed.payment)
    assert (await charges(database.engine))[0].captured_minor == 2500
    await check_sums(database)


@pytest.mark.parametrize("sandbox", [Dies, Unreachable])
async def test_a_capture_at_placement_is_finished_by_the_sweep(
    database: Database, sandbox: type[Dies | Unreachable]
) -> None:
    shop = await make_stocked_shop(database, 5)
    await capture_at(database, shop, "AT_PLACEMENT")
    token = await make_ready_cart(database, shop, 2)
    providers = {"sandbox": sandbox(database.engine)}
    try:
        placed = await place(till(database, payment_providers=providers), token, "sandbox", "ok", "key")
    except asyncio.CancelledError:
        assert sandbox is Dies
    else:
        assert placed.order is not None, "it is placed, whatever becomes of the capture"
        assert placed.order.payment_status == "AUTHORIZED"
    assert await settle_due(later(database)) == 1
    placed = await place(till(database), token, "sandbox", "ok", "key")
    assert placed.order is not None
    assert placed.order.payment_status == "PAID"
    await check_sums(database)


async def test_what_waits_for_approval_is_captured_when_it_has_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    await capture_at(database, shop, "AT_PLACEMENT")
    order, payment = await paid_order(database, captured=False, shop=shop, method="review")
    assert order.payment_status == "AUTHORIZED"
    approved = await orders.approve(staff(database), order.id, None, "key")
    assert (approved.status, approved.payment_status, approved.version) == ("OPEN", "PAID", 3)
    assert [kind for kind, _ in await events(database, order.id)] == [
        "OrderPlaced",
        "OrderReviewRequired",
        "OrderApproved",
        "PaymentCaptured",
    ]
    again = await orders.approve(staff(database), order.id, None, "key")
    assert again == approved
    assert (await payment_now(database, payment.id)).captured_minor == 2500


async def test_nothing_is_captured_by_itself_elsewhere(database: Database) -> None:
    for policy in ("AT_SHIPMENT", "MANUAL"):
        shop = await make_stocked_shop(database, 5)
        await capture_at(database, shop, policy)
        order, payment = await paid_order(database, captured=False, shop=shop, method="review")
        await orders.approve(staff(database), order.id, None, str(uuid4()))
        assert await transactions(database, payment.id) == [("AUTHORIZATION", "SUCCEEDED", 2500)]


async def test_nothing_is_taken_of_an_order_that_waits_for_approval(database: Database) -> None:
    _, payment = await paid_order(database, captured=False, method="review")
    with pytest.raises(Exception, match="open") as caught:
        await payment_changes.capture(staff(database), payment.id, None, "key")
    assert type(caught.value).__name__ == "IllegalTransition"


async def test_each_shipment_takes_what_is_in_it_and_never_more_than_is_left(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    with count_statements(database) as statements:
        after = await capture_for_shipment(staff(database), order.id, 1000)
    assert len(statements) <= 12, statements
    assert after.order.payment_status == "PARTIALLY_PAID"
    await payment_changes.capture(staff(database), payment.id, dollars("10"), "by hand")
    after = await capture_for_shipment(staff(database), order.id, 1000)
    assert after.order.payment_status == "PAID"
    after = await capture_for_shipment(staff(database), order.id, 1000)
    assert await transactions(database, payment.id) == [
        ("AUTHORIZATION", "SUCCEEDED", 2500),
        ("CAPTURE", "SUCCEEDED", 1000),
        ("CAPTURE", "SUCCEEDED", 1000),
        ("CAPTURE", "SUCCEEDED", 500),
    ]
    with pytest.raises(NotFound):
        await capture_for_shipment(staff(database), uuid4(), 1000)
    await check_sums(database)


async def test_shipping_takes_nothing_where_staff_do(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    await capture_at(database, shop, "MANUAL")
    order, payment = await paid_order(database, captured=False, shop=shop)
    await capture_for_shipment(staff(database), order.id, 1000)
    assert await transactions(database, payment.id) == [("AUTHORIZATION", "SUCCEEDED", 2500)]


async def test_a_channel_says_when_it_captures(database: Database) -> None:
    document = """mutation ($create: ChannelCreateInput!) {
      channelCreate(input: $create) { channel { id version settings { capturePolicy } } } }"""
    update = """mutation ($input: ChannelUpdateInput!) {
      channelUpdate(input: $input) { channel { id version settings { capturePolicy } } } }"""
    given = {"slug": "web", "name": "Web", "currency": "USD", "capturePolicy": "MANUAL"}
    made = (await data_of(database, document, {"create": given}))["channelCreate"]["channel"]
    assert made["settings"] == {"capturePolicy": "MANUAL"}
    changes = {"id": made["id"], "capturePolicy": "AT_PLACEMENT"}
    changed = (await data_of(database, update, {"input": changes}))["channelUpdate"]["channel"]
    assert (changed["settings"], changed["version"]) == ({"capturePolicy": "AT_PLACEMENT"}, 2)
    changes = {"id": made["id"], "name": "Web shop"}
    changed = (await data_of(database, update, {"input": changes}))["channelUpdate"]["channel"]
    assert changed["settings"] == {"capturePolicy": "AT_PLACEMENT"}
    usual = await make_stocked_shop(database, 1)
    shown = await data_of(
        database,
        "query ($id: ID!) { node(id: $id) { ... on Channel { settings { capturePolicy } } } }",
        {"id": encode_id("Channel", usual.channel.id)},
    )
    assert shown["node"]["settings"] == {"capturePolicy": "AT_SHIPMENT"}
