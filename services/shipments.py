"""Shipments inside a transaction: packing, handing over and unpacking; and whose parcels may be followed.

Who does so locks the order first (`locked`), works on what it returned, and after the commit asks for the
money of what has left (`take_money`). The use cases around it are in `shipment_changes.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

from domain import payment_changes
from domain import shipment_changes as decide
from domain.fulfillment import FulfillmentOrder
from domain.fulfillment_events import part_event, shipment_event
from domain.inventory import Movement
from domain.kernel.errors import NotFound
from domain.orders import Order, OrderStatus
from domain.parcels import Carriage, ParcelDraft
from domain.payment_changes import Change
from domain.pickup_changes import check_sent
from domain.shipment_changes import HandOver, LockedFulfillment
from domain.shipments import Shipment
from persistence import inventory, order_parts
from persistence import shipments as rows
from services import orders, payment_calls, payment_captures, payment_facts
from services.context import ServiceContext, Transaction
from services.orders import OrderRef


class Packed(NamedTuple):
    """A locked order after packing or unpacking, and the parcels concerned."""

    found: LockedFulfillment
    shipments: tuple[Shipment, ...]


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A locked order after parcels have left, which ones, and the intents to capture what they are worth."""

    found: LockedFulfillment
    shipments: tuple[Shipment, ...]
    changes: tuple[Change, ...]


async def followed(context: ServiceContext, ref: OrderRef, shipment_id: UUID | None) -> Order:
    """Return the order whose parcels (or one of them) somebody may follow.

    Raises NotFound for an order that they may not see, and for a parcel of another.
    """
    order = await orders.get(context, ref)
    if shipment_id is not None:
        async with context.read() as connection:
            owner = await order_parts.order_of_shipment(connection, shipment_id)
        if owner != order.id:
            raise NotFound("the order has no such shipment", "id")
    return order


async def locked(
    transaction: Transaction,
    *,
    order_id: UUID | None = None,
    fulfillment_order_id: UUID | None = None,
    shipment_id: UUID | None = None,
    path: str = "id",
) -> LockedFulfillment:
    """Lock an order, named by itself, one of its parts or parcels, and return all that decides.

    One statement. Raises NotFound naming `path`.
    """
    found = await rows.lock(
        transaction.connection,
        order_id=order_id,
        fulfillment_order_id=fulfillment_order_id,
        shipment_id=shipment_id,
    )
    if found is None:
        raise NotFound("there is nothing with this id", path)
    return found


async def pack(
    transaction: Transaction,
    found: LockedFulfillment,
    part: FulfillmentOrder,
    parcels: Sequence[ParcelDraft],
    *,
    carrier: str,
    service: str | None,
    provider: str | None = None,
) -> Packed:
    """Put open units of a part into parcels, which stay here; `provider` names the port to buy labels from.

    One statement. Raises IllegalTransition and InvalidInput.
    """
    check_sent(part, "fulfillmentOrderId")
    after, made = decide.pack(found, part, parcels, Carriage(carrier, service, provider))
    after = one_version_on(after)
    await rows.save(
        transaction.connection,
        after.order,
        parts=[after.part(part.id)],
        shipments=made,
        now=transaction.now,
    )
    for shipment in made:
        transaction.emit(shipment_event("ShipmentPacked", after.order, shipment, transaction.now))
    return Packed(after, made)


async def hand_over(
    context: ServiceContext,
    transaction: Transaction,
    found: LockedFulfillment,
    shipment_ids: Sequence[UUID],
    *,
    notify: bool = True,
) -> HandedOver:
    """Let parcels leave: stock, both kinds of lines, the order's axes, events, and the intent to capture.

    Three statements at most. Those that have left already are left alone. After the commit call `take_money`.
    Without `notify` the customer is not written to. Raises NotFound and IllegalTransition.
    """
    done = decide.hand_over(found, shipment_ids, transaction.now)
    return await _leave(context, transaction, done, notify=notify)


async def pack_and_hand_over(
    context: ServiceContext,
    transaction: Transaction,
    found: LockedFulfillment,
    part: FulfillmentOrder,
    parcel: ParcelDraft,
    carriage: Carriage,
    *,
    notify: bool = True,
) -> HandedOver:
    """Pack one parcel and hand it over at once, in as many statements as that takes; raises what both do."""
    check_sent(part)
    packed, made = decide.pack(found, part, [parcel], carriage, only_one=True)
    done = decide.hand_over(packed, [one.id for one in made], transaction.now)
    return await _leave(context, transaction, done, notify=notify)


async def hand_out(context: ServiceContext, transaction: Transaction, done: HandOver) -> HandedOver:
    """Let what its customer has collected leave, as `hand_over` does; it has arrived by that."""
    return await _leave(context, transaction, done, kind="ShipmentDelivered", notify=False)


async def take_money(context: ServiceContext, handed: HandedOver) -> Order:
    """Ask for what parcels that were handed over are worth, after the commit; returns the order as it is.

    What is refused is told by an event (PaymentCaptureFailed); what gets no answer is the sweep's.
    """
    found = handed.found
    return (await payment_calls.carry_out(context, found.order, found.payments, handed.changes)).order


async def cancel(transaction: Transaction, found: LockedFulfillment, shipment_ids: Sequence[UUID]) -> Packed:
    """Unpack parcels that have not left; canceled ones are left alone. One statement.

    Raises NotFound, and IllegalTransition for a parcel that has left.
    """
    after, canceled = decide.cancel(found, shipment_ids)
    if not canceled:
        return Packed(found, ())
    after = one_version_on(after)
    concerned = {one.fulfillment_order_id for one in canceled}
    await rows.save(
        transaction.connection,
        after.order,
        parts=[part for part in after.parts if part.id in concerned],
        shipments=canceled,
        now=transaction.now,
    )
    for shipment in canceled:
        transaction.emit(shipment_event("ShipmentCanceled", after.order, shipment, transaction.now))
    return Packed(after, tuple(canceled))


async def move(transaction: Transaction, order_id: UUID, movements: Sequence[Movement]) -> None:
    """Make movements of an order's own units, which its lock says are there; stock rows come last."""
    if not movements:
        return
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind="order",
        source_id=order_id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if short:
        raise RuntimeError(f"order {order_id} has less stock committed than its fulfillment orders say")


async def _leave(
    context: ServiceContext,
    transaction: Transaction,
    done: HandOver,
    *,
    notify: bool,
    kind: str = "ShipmentShipped",
) -> HandedOver:
    if not done.shipments:
        return HandedOver(done.after, (), ())
    now = transaction.now
    after = decide.completed(one_version_on(done.after), now)
    sent = {line.order_line_id for one in done.shipments for line in one.lines}
    await rows.save(
        transaction.connection,
        after.order,
        parts=done.parts,
        lines=[line for line in after.lines if line.id in sent],
        shipments=done.shipments,
        now=now,
    )
    told = {} if notify else {"notifyCustomer": False}
    for shipment in done.shipments:
        transaction.emit(shipment_event(kind, after.order, shipment, now, **told))
    for part in done.closed:
        transaction.emit(part_event("FulfillmentOrderClosed", after.order, part.id, now))
    if after.order.status is OrderStatus.COMPLETED:
        transaction.emit(payment_facts.completed_event(after.order, now))
    order, changes = await payment_captures.intend_for_shipment(
        context, transaction, after.order, after.payments, after.capture_policy, done.worth_minor
    )
    await move(transaction, order.id, done.movements)
    paid = tuple(payment_changes.replaced(after.payments, changes))
    return HandedOver(replace(after, order=order, payments=paid), done.shipments, tuple(changes))


def one_version_on(found: LockedFulfillment) -> LockedFulfillment:
    """Return it with the order one version later."""
    return replace(found, order=replace(found.order, version=found.order.version + 1))
