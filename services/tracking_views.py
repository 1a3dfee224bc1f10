"""Use cases around tracking: a parcel by its own token, those that need a person, what staff know of one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain import tracking as decide
from domain.carrier_ports import TrackingUpdate
from domain.fulfillment_events import shipment_event
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound, under
from domain.kernel.keys import check_key
from domain.kernel.moments import in_utc
from domain.kernel.quantities import require_text
from domain.orders import Order
from domain.shipments import ON_ITS_WAY, Shipment, ShipmentStatus
from domain.tracking import Problem
from persistence import order_parts, orders
from persistence import tracking as rows
from persistence.idempotency import claim_for
from services import audit, shipments, tracking
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.orders import OrderRef

TRACKING_TOKEN = "shipment"  # noqa: S105 - the kind of token, not one
STAFF = "staff"
"""The provider of what staff tell themselves."""
_LONGEST_WORDS = 255
# Long enough for whoever tells late; a wrong year is a slip of the hand, and would be when it was delivered.
_LONG_AGO = timedelta(days=365)
_TOLD_BY_STAFF = ON_ITS_WAY | {ShipmentStatus.DELIVERED, ShipmentStatus.RETURN_TO_SENDER}


@dataclass(frozen=True, slots=True)
class ShipmentInTrouble:
    """A parcel that needs a person, with its order, why, and when it was packed."""

    shipment: Shipment
    order: Order
    problems: tuple[Problem, ...]
    packed_at: datetime


async def by_token(context: ServiceContext, token: str) -> Shipment:
    """Return the parcel that a tracking token names; raises NotFound."""
    subject = context.environment.tokens.read(TRACKING_TOKEN, token)
    if subject is None:
        raise NotFound("no shipment has this token", "trackingToken")
    shipment = await _find(context, subject.id)
    if shipment is None or shipment.token_generation != subject.generation:
        raise NotFound("no shipment has this token", "trackingToken")
    return shipment


async def followed(
    context: ServiceContext, ref: OrderRef | None, shipment_id: UUID | None, token: str | None
) -> tuple[UUID, UUID | None]:
    """Return the order whose parcels somebody may follow, and the one parcel if it is only one.

    Raises NotFound, and InvalidInput unless either an order or a tracking token is named.
    """
    if (ref is None) == (token is None):
        raise InvalidInput("name an order or a tracking token, one of them", "ref")
    if ref is not None:
        return (await shipments.followed(context, ref, shipment_id)).id, shipment_id
    parcel = await by_token(context, token or "")
    if shipment_id not in {None, parcel.id}:
        raise NotFound("the token is not of this shipment", "id")
    return parcel.order_id, parcel.id


async def trouble(
    context: ServiceContext, size: int, after: tuple[datetime, UUID] | None
) -> list[ShipmentInTrouble]:
    """Return parcels that need a person, the oldest first, one more than the page has if there are more."""
    require(context.actor, Permission.FULFILLMENT_READ)
    now = context.now()
    async with context.read() as connection:
        found = await rows.problems(
            connection, now=now, silent_since=now - decide.SILENT_AFTER, limit=size + 1, after=after
        )
        order_ids = list({order_id for _, order_id, _ in found})
        parts = await order_parts.parts_of(connection, order_ids)
        of_id = await orders.by_ids(connection, order_ids)
    parcels = {one.id: one for part in parts.values() for one in part.shipments}
    return [
        ShipmentInTrouble(
            parcels[shipment_id],
            of_id[order_id],
            decide.problems(parcels[shipment_id], now),
            packed_at,
        )
        for shipment_id, order_id, packed_at in found
    ]


async def add_event(context: ServiceContext, shipment_id: UUID, told: TrackingUpdate, key: str) -> Shipment:
    """Record what staff know of a parcel, as if its carrier had told it; the same key records it once.

    Raises NotFound, InvalidInput naming the field, and IllegalTransition for a parcel that has not left.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    told = _checked(context, shipment_id, told, check_key(key))
    request = [str(shipment_id), told.status, told.place, told.description, str(told.estimated_at)]
    claim = claim_for(f"shipmentTrackingEventAdd:{context.actor.label}", key, request)
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _there(transaction, shipment_id)
        before = await _there(transaction, shipment_id)
        if not before.has_left:
            raise IllegalTransition("the shipment has not left", before.status.value, (), "id")
        ids = await rows.store(
            transaction.connection, STAFF, [told], now=transaction.now, shipment_id=shipment_id
        )
        shipment, _ = await tracking.apply_in(context, transaction, shipment_id, ids)
        transaction.answer({"shipment": str(shipment_id)})
    return shipment


async def rotate_token(
    context: ServiceContext, shipment_id: UUID, expected_version: int | None, key: str
) -> Shipment:
    """Give a parcel another tracking token: those of before show nothing, and who follows by one is ended.

    The event that tells of it makes followers look at their token again. Raises NotFound, VersionConflict,
    and IllegalTransition.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    request = [str(shipment_id), expected_version]
    claim = claim_for(f"shipmentTokenRotate:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, shipment_id=shipment_id)
        before = found.shipment(shipment_id)
        if stored is not None:
            return before
        check_version(found.order.version, expected_version)
        shipment = decide.with_new_token(before)
        order = replace(found.order, version=found.order.version + 1)
        await rows.save_token(transaction.connection, order, shipment)
        await audit.record(transaction, "ShipmentTokenRotated", "shipment", shipment_id, before, shipment)
        transaction.emit(shipment_event("ShipmentTokenRotated", order, shipment, transaction.now))
        transaction.answer({"shipment": str(shipment_id)})
    return shipment


async def _there(transaction: Transaction, shipment_id: UUID) -> Shipment:
    return (await shipments.locked(transaction, shipment_id=shipment_id)).shipment(shipment_id)


def _checked(context: ServiceContext, shipment_id: UUID, told: TrackingUpdate, key: str) -> TrackingUpdate:
    if told.status not in _TOLD_BY_STAFF:
        raise InvalidInput("is nothing that is told of a parcel on its way", "status")
    now = context.now()
    with under("occurredAt"):
        occurred_at = in_utc(told.occurred_at)
    if occurred_at > now:
        raise InvalidInput("lies in the future", "occurredAt")
    if now - occurred_at > _LONG_AGO:
        raise InvalidInput("lies more than a year ago", "occurredAt")
    with under("estimatedAt"):
        estimated_at = in_utc(told.estimated_at) if told.estimated_at else None
    if estimated_at is not None and estimated_at < occurred_at:
        raise InvalidInput("lies before what is told", "estimatedAt")
    return TrackingUpdate(
        id=f"{context.actor.label}/{key}",
        status=told.status,
        occurred_at=occurred_at,
        reference=str(shipment_id),
        description=told.description and require_text(told.description, _LONGEST_WORDS, "description"),
        place=told.place and require_text(told.place, _LONGEST_WORDS, "place"),
        estimated_at=estimated_at,
    )


async def _find(context: ServiceContext, shipment_id: UUID) -> Shipment | None:
    async with context.read() as connection:
        order_id = await order_parts.order_of_shipment(connection, shipment_id)
        parts = await order_parts.parts_of(connection, [order_id]) if order_id else {}
    return next((one for part in parts.values() for one in part.shipments if one.id == shipment_id), None)
