"""Use cases of fulfillment orders before they are sent: begin, divide, join, move, give up, put off.

`route_again` is what becomes of units that a location will not send: other parts of the product that find
that out (a pick that comes up short, a closed location) call it with the order locked.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from domain import fulfillment_changes as decide
from domain.fulfillment import FulfillmentHold, FulfillmentOrder, FulfillmentOrderStatus, HoldKind
from domain.fulfillment_changes import Divided, Units
from domain.fulfillment_events import part_event
from domain.fulfillment_reroutes import reroute
from domain.inventory import Movement
from domain.kernel.changes import check_version
from domain.kernel.errors import InsufficientStock, InvalidInput, NotFound, Several, under
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.moments import in_utc
from domain.kernel.quantities import is_storable
from domain.orders import Order, check_reason
from domain.pickup_changes import check_sent
from domain.shipment_changes import LockedFulfillment
from domain.stock_losses import HOLD_REASON
from persistence import fulfillment as rows
from persistence import inventory, order_edits, unfillable_orders
from persistence.idempotency import claim_for
from services import audit, order_holds, routing, shipments
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.one_by_one import each

MOST_AT_ONCE = 100
"""Orders one sweep opens parts of."""
UNPLACED = "UNPLACED"
"""What puts a part on hold whose location gave it up and that no other has the units for: staff decide."""


Told = tuple[str, FulfillmentOrder, Mapping[str, Any]]
"""The kind of an event, the part it tells of, and its facts."""


class Changed(NamedTuple):
    """A locked order after a change, and the parts that are new or changed, the one asked for first."""

    found: LockedFulfillment
    parts: tuple[FulfillmentOrder, ...]

    @property
    def order(self) -> Order:
        """The order as it now is."""
        return self.found.order


Run = Callable[[Transaction, LockedFulfillment, FulfillmentOrder], Awaitable[Changed]]
"""What is done with one part of a locked order."""


async def start(context: ServiceContext, part_id: UUID, expected_version: int | None, key: str) -> Changed:
    """Let work on a fulfillment order begin; one that is IN_PROGRESS is left alone.

    Raises NotFound, IllegalTransition and VersionConflict.
    """

    async def run(transaction: Transaction, found: LockedFulfillment, part: FulfillmentOrder) -> Changed:
        begun = decide.start(found.order, part)
        if begun is None:
            return Changed(found, (part,))
        return await save(transaction, found, [begun], ("FulfillmentOrderStarted", begun, {}))

    return await _change(context, "fulfillmentOrderStart", part_id, expected_version, key, [], run)


async def split(
    context: ServiceContext, part_id: UUID, units: Units, expected_version: int | None, key: str
) -> Changed:
    """Put units of a fulfillment order into one of their own at the same location; the new one comes second.

    Raises NotFound, IllegalTransition, InvalidInput and VersionConflict.
    """

    async def run(transaction: Transaction, found: LockedFulfillment, part: FulfillmentOrder) -> Changed:
        divided = decide.split(found, part, units)
        facts = {"newFulfillmentOrderId": str(divided.taken.id)}
        told = ("FulfillmentOrderSplit", part, facts)
        return await save(transaction, found, [divided.rest, divided.taken], told)

    request = [_listed(units)]
    return await _change(context, "fulfillmentOrderSplit", part_id, expected_version, key, request, run)


async def merge(
    context: ServiceContext, part_ids: Sequence[UUID], expected_version: int | None, key: str
) -> Changed:
    """Put fulfillment orders of one order and location together into the first; the others are CANCELED.

    Raises NotFound, IllegalTransition, InvalidInput and VersionConflict.
    """
    if not 2 <= len(part_ids) <= MOST_AT_ONCE:
        raise InvalidInput(f"must be between 2 and {MOST_AT_ONCE} fulfillment orders", "ids")

    async def run(transaction: Transaction, found: LockedFulfillment, part: FulfillmentOrder) -> Changed:
        with under("ids"):
            others = [_part(found, one, str(at)) for at, one in enumerate(part_ids[1:], 1)]
        merged = decide.merge(found, part, others)
        facts = {"mergedIds": [str(one.id) for one in others]}
        return await save(transaction, found, merged, ("FulfillmentOrderMerged", part, facts))

    request = [str(one) for one in part_ids[1:]]
    return await _change(context, "fulfillmentOrderMerge", part_ids[0], expected_version, key, request, run)


async def move(
    context: ServiceContext,
    part_id: UUID,
    location_code: str,
    units: Units | None,
    expected_version: int | None,
    key: str,
) -> Changed:
    """Let another location send units of a fulfillment order (None: all not packed), at once.

    What has the units then comes first. Raises NotFound, IllegalTransition, InvalidInput, VersionConflict,
    and InsufficientStock for each SKU that the location lacks: then nothing changes.
    """

    async def run(transaction: Transaction, found: LockedFulfillment, part: FulfillmentOrder) -> Changed:
        check_sent(part)
        code = location_code if is_storable(location_code) else ""
        location = await rows.sending_location(transaction.connection, code)
        if location is None:
            raise NotFound("no location in use has this code", "locationCode")
        location_id, ships = location
        if not ships:  # routing would take it away again
            raise InvalidInput("sends no parcels: let it (ships), or choose another", "locationCode")
        moved = decide.move(found, part, location_id, units)
        facts = {"fromLocationId": str(part.location_id), "toLocationId": str(location_id)}
        told = ("FulfillmentOrderMoved", moved.part, facts)
        changed = await save(transaction, found, moved.parts, told)
        await move_units(transaction, changed.order, moved.movements, moved.part)
        return Changed(changed.found, (moved.part, *(one for one in moved.parts if one is not moved.part)))

    request = [location_code, None if units is None else _listed(units)]
    return await _change(context, "fulfillmentOrderMove", part_id, expected_version, key, request, run)


async def incomplete(
    context: ServiceContext,
    part_id: UUID,
    units: Units | None,
    reason: str,
    expected_version: int | None,
    key: str,
    *,
    lost: bool = False,
) -> Changed:
    """Give up units of a fulfillment order (None: all that are not packed): they are routed again.

    `lost`: they were not found where they should be, and are counted out there. Raises NotFound,
    IllegalTransition, InvalidInput and VersionConflict.
    """
    reason = check_reason(reason)

    async def run(transaction: Transaction, found: LockedFulfillment, part: FulfillmentOrder) -> Changed:
        return await give_up(transaction, found, part, units, reason, lost=lost)

    request = [None if units is None else _listed(units), reason, lost]
    return await _change(context, "fulfillmentOrderIncomplete", part_id, expected_version, key, request, run)


async def cancel(
    context: ServiceContext, part_id: UUID, reason: str, expected_version: int | None, key: str
) -> Changed:
    """Take a fulfillment order from its location before anything of it is packed; its units are routed again.

    The customer still gets what they paid for: who is not to, edits or cancels the order. Raises NotFound,
    IllegalTransition and VersionConflict.
    """
    reason = check_reason(reason)

    async def run(transaction: Transaction, found: LockedFulfillment, part: FulfillmentOrder) -> Changed:
        decide.check_not_begun(found, part)
        divided = decide.give_up(found, part, None, FulfillmentOrderStatus.CANCELED)
        told = ("FulfillmentOrderCanceled", divided.rest, {"reason": reason})
        return await route_again(transaction, found, divided, told, reason, lost=False)

    return await _change(context, "fulfillmentOrderCancel", part_id, expected_version, key, [reason], run)


async def reschedule(
    context: ServiceContext,
    part_id: UUID,
    scheduled_for: datetime | None,
    expected_version: int | None,
    key: str,
) -> Changed:
    """Put a fulfillment order off until a moment; without one, or with one that is over, it opens now.

    Raises NotFound, IllegalTransition, InvalidInput for a moment out of range, and VersionConflict.
    """
    moment = None if scheduled_for is None else in_utc(scheduled_for, "scheduledFor")

    async def run(transaction: Transaction, found: LockedFulfillment, part: FulfillmentOrder) -> Changed:
        put_off = decide.reschedule(found.order, part, moment, transaction.now)
        opens = put_off.status is FulfillmentOrderStatus.OPEN
        kind = "FulfillmentOrderReleased" if opens else "FulfillmentOrderRescheduled"
        return await save(transaction, found, [put_off], (kind, put_off, {}))

    request = [moment.isoformat() if moment else None]
    return await _change(context, "fulfillmentOrderReschedule", part_id, expected_version, key, request, run)


async def release_due(context: ServiceContext) -> int:
    """Open the parts of orders whose moment has come; returns how many orders were looked at."""
    require(context.actor, Permission.FULFILLMENT_WRITE)
    async with context.read() as connection:
        due = await rows.due(connection, now=context.now(), most=MOST_AT_ONCE)
    await each("open_scheduled_parts", due, partial(_open_due, context))
    return len(due)


async def _open_due(context: ServiceContext, order_id: UUID) -> None:
    async with context.transaction() as transaction:
        found = await shipments.locked(transaction, order_id=order_id)
        opened = [
            decide.reschedule(found.order, part, None, transaction.now)
            for part in found.parts
            if part.scheduled_for is not None
            and part.status is FulfillmentOrderStatus.SCHEDULED
            and part.scheduled_for <= transaction.now
        ]
        told: list[Told] = [
            ("FulfillmentOrderReleased", part, {})
            for part in opened
            if part.status is FulfillmentOrderStatus.OPEN
        ]
        if opened:
            await save(transaction, found, opened, *told)


async def give_up(
    transaction: Transaction,
    found: LockedFulfillment,
    part: FulfillmentOrder,
    units: Units | None,
    reason: str,
    *,
    lost: bool,
) -> Changed:
    """Take units out of a locked order's part that its location will not send, and route them again.

    The part comes first in what is returned. Raises IllegalTransition and InvalidInput.
    """
    divided = decide.give_up(found, part, units, FulfillmentOrderStatus.INCOMPLETE)
    given = sum(line.quantity for line in divided.taken.lines)
    told = ("FulfillmentOrderIncomplete", divided.rest, {"reason": reason, "quantity": given})
    return await route_again(transaction, found, divided, told, reason, lost=lost)


async def route_again(
    transaction: Transaction,
    found: LockedFulfillment,
    divided: Divided,
    told: Told,
    reason: str,
    *,
    lost: bool,
) -> Changed:
    """Write a part and where the units that left it go: to other locations, or they wait where they are.

    Five statements at most: the levels, what routing goes by, the parts, the decision, the movements.
    `told` is the event of the part itself.
    """
    taken = divided.taken
    variants = sorted({line.variant_id for line in taken.lines})
    shelves = await order_edits.shelves(
        transaction.connection, found.order.channel_id, variants, locking=True
    )
    shelves, decision = await routing.elsewhere(transaction, found.order, taken, shelves, lost=lost)
    hold = FulfillmentHold(
        new_id(), HoldKind.OTHER, False, UNPLACED, reason, transaction.actor, transaction.now
    )
    current = found.with_parts(divided.rest)
    after = reroute(current.order, current.parts, taken, shelves, hold, lost=lost)
    left = [] if after.left is None else [after.left]
    rerouted = [
        ("FulfillmentOrderRerouted", one, {"fromFulfillmentOrderId": str(divided.rest.id)})
        for one in after.made
    ]
    changed = await save(transaction, found, [divided.rest, *after.made, *left], told, *rerouted)
    if decision is not None and after.made:
        await unfillable_orders.link(transaction.connection, decision, [one.id for one in after.made])
    for part in left:
        transaction.emit(*_waits(changed.order, part, transaction.now))
    await shipments.move(transaction, found.order.id, after.movements)
    return changed


async def save(
    transaction: Transaction, found: LockedFulfillment, parts: Sequence[FulfillmentOrder], *told: Told
) -> Changed:
    """Write parts of a locked order that change or are new, one version on, with the events that tell so."""
    after = found.with_parts(*parts)
    after = replace(after, order=replace(after.order, version=found.order.version + 1))
    await rows.save(transaction.connection, after.order, parts, actor=transaction.actor, now=transaction.now)
    for kind, part, facts in told:
        transaction.emit(part_event(kind, after.order, part.id, transaction.now, **facts))
    return Changed(after, tuple(parts))


async def _change(
    context: ServiceContext,
    operation: str,
    part_id: UUID,
    expected_version: int | None,
    key: str,
    request: list[Any],
    run: Run,
) -> Changed:
    require(context.actor, Permission.FULFILLMENT_WRITE)
    facts = [str(part_id), *request, expected_version]
    claim = claim_for(f"{operation}:{context.actor.label}", check_key(key), facts)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, fulfillment_order_id=part_id)
        if stored is not None:
            return Changed(found, tuple(found.part(UUID(one)) for one in stored["parts"]))
        check_version(found.order.version, expected_version)
        before = found.part(part_id)
        changed = await run(transaction, found, before)
        transaction.answer({"parts": [str(one.id) for one in changed.parts]})
        if changed.found is not found:
            await audit.record(
                transaction,
                operation[0].upper() + operation[1:],
                "fulfillment_order",
                part_id,
                before,
                changed.found.part(part_id),
            )
        return changed


async def move_units(
    transaction: Transaction, order: Order, movements: Sequence[Movement], part: FulfillmentOrder
) -> None:
    """Make movements of which the location may lack units; raises InsufficientStock for each SKU."""
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind="order",
        source_id=order.id,
        actor=transaction.actor,
        now=transaction.now,
    )
    skus = {line.variant_id: line.sku for line in part.lines}
    errors = [
        InsufficientStock(skus[one.variant_id], one.wanted, one.present, "locationCode") for one in short
    ]
    if errors:
        raise errors[0] if len(errors) == 1 else Several(errors)


def _waits(order: Order, part: FulfillmentOrder, now: datetime) -> list[Event]:
    """Return the events that tell why a part waits that no other location could take."""
    if not part.lacks_units:
        return [order_holds.held(order, [hold for hold in part.holds if hold.code == UNPLACED], now)]
    return [
        part_event(
            "FulfillmentOrderHeld",
            order,
            part.id,
            now,
            reason=HOLD_REASON,
            sku=line.sku,
            quantity=line.quantity_short,
        )
        for line in part.lines
    ]


def _part(found: LockedFulfillment, part_id: UUID, path: str) -> FulfillmentOrder:
    part = next((one for one in found.parts if one.id == part_id), None)
    if part is None:
        raise NotFound("is no fulfillment order of the same order", path)
    return part


def _listed(units: Units) -> list[list[Any]]:
    return sorted([str(line_id), count] for line_id, count in units.items())
