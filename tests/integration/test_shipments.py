"""Shipments: what is packed stays, what is handed over has left, is paid for and is told once."""

from uuid import uuid4

import pytest

from domain.fulfillment import FulfillmentOrderStatus, FulfillmentWork
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound, VersionConflict
from domain.orders import OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus
from domain.parcels import TrackingChanges
from domain.shipments import ShipmentStatus
from persistence.database import Database
from services import orders, payment_changes, shipment_changes
from services.orders import OrderRef
from tests.checkouts import events, levels, make_stocked_shop
from tests.payments import capture_at, check_sums, paid_order, staff, transactions
from tests.shipping import (
    check_units,
    customers_units,
    fulfill,
    hand_over,
    order_of,
    pack,
    part_at,
    parts_of,
    placed_order,
)
from tests.statements import count_statements
from tests.stocked import assert_explained


async def test_an_order_that_is_sent_whole_is_taken_and_completed(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order, payment = await paid_order(database, captured=False, shop=shop)
    part = await part_at(database, order.id)
    with count_statements(database) as statements:
        sent = await fulfill(staff(database), part)
    assert len(statements) <= 14, statements
    assert sent.shipments[0].status is ShipmentStatus.PRE_TRANSIT
    assert sent.parts[0].status is FulfillmentOrderStatus.CLOSED
    after = await order_of(database, order.id)
    assert after == sent.order
    assert (after.status, after.payment_status) == (OrderStatus.COMPLETED, OrderPaymentStatus.PAID)
    assert after.fulfillment_status is OrderFulfillmentStatus.FULFILLED
    assert after.closed_at is not None
    assert await transactions(database, payment.id) == [
        ("AUTHORIZATION", "SUCCEEDED", 2500),
        ("CAPTURE", "SUCCEEDED", 2500),
    ]
    assert await levels(database, shop) == [(8, 0, 0)]
    assert await customers_units(database, order.id) == {shop.locations[0].id: 2}
    assert await events(database, order.id) == [
        ("OrderPlaced", 1),
        ("ShipmentShipped", 2),
        ("FulfillmentOrderClosed", 2),
        ("PaymentCaptureRequested", 3),
        ("PaymentCaptured", 4),
        ("OrderCompleted", 4),
    ]
    await check_units(database)
    await check_sums(database)
    await assert_explained(database)


async def test_a_part_that_goes_out_in_two_parcels_takes_each_its_worth(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    context = staff(database)
    first = await fulfill(context, await part_at(database, order.id), 1)
    assert first.order.fulfillment_status is OrderFulfillmentStatus.PARTIALLY_FULFILLED
    assert first.parts[0].status is FulfillmentOrderStatus.IN_PROGRESS
    second = await fulfill(context, await part_at(database, order.id), 1)
    assert second.order.status is OrderStatus.COMPLETED
    # A unit costs 10.00, the delivery 5.00, which goes with the first.
    assert [one[2] for one in await transactions(database, payment.id)] == [2500, 1500, 1000]
    await check_units(database)


async def test_a_parcel_stays_until_it_is_handed_over(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order = await placed_order(database, shop=shop)
    context = staff(database)
    part = await part_at(database, order.id)
    with count_statements(database) as statements:
        packed = await pack(context, part, 1, 1)
    assert len(statements) <= 6, statements
    assert [one.status for one in packed.shipments] == [ShipmentStatus.LABEL_CREATED] * 2
    part = await part_at(database, order.id)
    assert (part.status, part.work) == (FulfillmentOrderStatus.IN_PROGRESS, FulfillmentWork.LABELED)
    assert await levels(database, shop) == [(8, 0, 2)]
    with pytest.raises(InvalidInput, match="0 of its units are open"):
        await pack(context, part, 1)
    sent = await hand_over(context, packed.shipments[0].id)
    assert sent.shipments[0].shipped_at is not None
    assert await levels(database, shop) == [(8, 0, 1)]
    again = await hand_over(context, packed.shipments[0].id)
    assert (again.order.version, again.shipments) == (sent.order.version, sent.shipments)
    canceled = await shipment_changes.cancel(context, packed.shipments[1].id, None, "key")
    assert canceled.shipments[0].status is ShipmentStatus.CANCELED
    part = await part_at(database, order.id)
    assert (part.status, part.work) == (FulfillmentOrderStatus.IN_PROGRESS, FulfillmentWork.PICKED)
    with pytest.raises(IllegalTransition):
        await shipment_changes.cancel(context, packed.shipments[0].id, None, "other key")
    last = await fulfill(context, part)
    assert last.order.status is OrderStatus.COMPLETED
    await check_units(database)
    await check_sums(database)


async def test_the_same_key_sends_once_and_answers_the_same(database: Database) -> None:
    order = await placed_order(database)
    context, part = staff(database), await part_at(database, order.id)
    sent = await fulfill(context, part, 1, key="key")
    again = await fulfill(context, part, 1, key="key")
    assert (again.shipments[0].id, again.order) == (sent.shipments[0].id, await order_of(database, order.id))
    assert len((await parts_of(database, order.id)).shipments) == 1


async def test_what_may_not_be_sent_is_refused(database: Database) -> None:
    order = await placed_order(database)
    context, part = staff(database), await part_at(database, order.id)
    with pytest.raises(InvalidInput, match="2 of its units are open, and 3 asked for") as caught:
        await fulfill(context, part, 3)
    assert caught.value.path == ("lines", "0", "quantity")
    with pytest.raises(InvalidInput) as caught:
        await pack(context, part, 1, 2)
    assert caught.value.path == ("parcels", "1", "lines", "0", "quantity")
    with pytest.raises(InvalidInput) as caught:
        await fulfill(context, part, tracking_url="javascript:alert(1)")
    assert caught.value.path == ("trackingUrl",)
    with pytest.raises(VersionConflict):
        await fulfill(context, part, expected_version=7)
    with pytest.raises(NotFound):
        await hand_over(context, uuid4())
    await orders.cancel(context, OrderRef(id=order.id), "changed their mind", None, "key")
    with pytest.raises(IllegalTransition, match="CANCELED"):
        await fulfill(context, part)
    assert (await parts_of(database, order.id)).shipments == ()


async def test_an_order_that_waits_for_approval_is_not_sent(database: Database) -> None:
    order, _ = await paid_order(database, captured=False, method="review")
    with pytest.raises(IllegalTransition, match="PENDING_APPROVAL"):
        await fulfill(staff(database), await part_at(database, order.id))


async def test_canceling_an_order_unpacks_what_has_not_left(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order = await placed_order(database, shop=shop)
    context = staff(database)
    packed = await pack(context, await part_at(database, order.id), 2)
    await orders.cancel(context, OrderRef(id=order.id), "changed their mind", None, "key")
    parts = await parts_of(database, order.id)
    assert [one.status for one in parts.shipments] == [ShipmentStatus.CANCELED]
    assert await levels(database, shop) == [(10, 0, 0)]
    assert ("ShipmentCanceled", 3) in await events(database, order.id)
    with pytest.raises(IllegalTransition):
        await hand_over(context, packed.shipments[0].id)
    await check_units(database)


async def test_many_parcels_leave_together_each_told_apart(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    context = staff(database)
    first, second = [await placed_order(database, shop=shop) for _ in range(2)]
    ids = [
        shipment.id
        for order in (first, second)
        for shipment in (await pack(context, await part_at(database, order.id), 1, 1)).shipments
    ]
    await shipment_changes.cancel(context, ids[1], None, "key")
    unknown = uuid4()
    outcomes = await shipment_changes.hand_over_many(context, [ids[2], unknown, *ids[:2], ids[3]], "key")
    assert [one.shipment_id for one in outcomes] == [ids[2], unknown, *ids[:2], ids[3]]
    assert [type(one.error).__name__ for one in outcomes] == [
        "NoneType",
        "NotFound",
        "NoneType",
        "IllegalTransition",
        "NoneType",
    ]
    assert outcomes[0].order is not None
    assert outcomes[0].order.status is OrderStatus.COMPLETED
    again = await shipment_changes.hand_over_many(context, [ids[2], unknown, *ids[:2], ids[3]], "key")
    assert [one.shipment_id for one in again if one.shipment] == [ids[2], ids[0], ids[3]]
    assert await levels(database, shop) == [(6, 0, 1)]
    await check_units(database)
    await check_sums(database)


async def test_a_typed_number_corrects_what_a_parcel_is_followed_by(database: Database) -> None:
    order = await placed_order(database)
    context = staff(database)
    sent = await fulfill(context, await part_at(database, order.id), tracking_number="1Z")
    changes = TrackingChanges(
        carrier=" Other Post ", tracking_number="2Z", tracking_url="https://post.example/2Z"
    )
    after = await shipment_changes.update_tracking(context, sent.shipments[0].id, changes, None)
    shown = after.shipments[0]
    assert (shown.carrier, shown.service, shown.tracking_number) == ("Other Post", "Standard", "2Z")
    assert (await parts_of(database, order.id)).shipments[0].tracking_url == "https://post.example/2Z"
    assert (await events(database, order.id))[-1] == ("ShipmentTrackingUpdated", after.order.version)
    again = await shipment_changes.update_tracking(context, sent.shipments[0].id, changes, None)
    assert again.order.version == after.order.version


async def test_nothing_is_taken_where_staff_take_it_and_then_it_completes(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    await capture_at(database, shop, "MANUAL")
    order, payment = await paid_order(database, captured=False, shop=shop)
    sent = await fulfill(staff(database), await part_at(database, order.id))
    assert (sent.order.status, sent.order.fulfillment_status) == (
        OrderStatus.OPEN,
        OrderFulfillmentStatus.FULFILLED,
    )
    await payment_changes.capture(staff(database), payment.id, None, "key")
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED
    assert (await events(database, order.id))[-1] == ("OrderCompleted", 4)
