"""Use cases of shipments: staff pack, hand over, fulfil at once, unpack, and correct what tracks a parcel."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from domain import shipment_changes as decide
from domain.fulfillment import FulfillmentOrder
from domain.fulfillment_events import shipment_event
from domain.kernel.changes import check_version
from domain.kernel.errors import DomainError, IllegalTransition, InvalidInput, NotFound, under
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.orders import Order
from domain.parcels import (
    MAX_TEXT_LENGTH,
    Carriage,
    ParcelDraft,
    TrackingChanges,
    check_parcel,
    checked_tracking,
    text_of,
)
from domain.shipment_changes import LockedFulfillment
from domain.shipments import Shipment
from persistence import order_parts
from persistence import shipments as rows
from persistence.idempotency import Claim, claim_for
from services import audit, shipments
from services.access import Permission, require
from services.context import ServiceContext
from services.shipments import HandedOver

MOST_AT_ONCE = 100
"""Parcels that are handed over by one request."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An order as it now is, and the parcels that were packed, have left or were unpacked."""

    order: Order
    parts: tuple[FulfillmentOrder, ...]
    shipments: tuple[Shipment, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one parcel of many: its order as it now is, or why it has not left."""

    shipment_id: UUID
    shipment: Shipment | None = None
    order: Order | None = None
    error: DomainError | None = None


@dataclass(frozen=True, slots=True)
class Fulfillment:
    """What shall leave at once: `units` by fulfillment order line (None: all that is open), as one parcel."""

    part_id: UUID
    units: Mapping[UUID, int] | None
    parcel: ParcelDraft
    carriage: Carriage
    notify: bool = True


async def fulfill(
    context: ServiceContext, wanted: Fulfillment, expected_version: int | None, key: str
) -> Sent:
    """Pack units of a fulfillment order and hand them over at once.

    Raises NotFound, IllegalTransition, InvalidInput and VersionConflict.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    carriage, parcel = _checked(context, wanted.carriage), check_parcel(wanted.parcel)
    if carriage.provider is not None:
        raise InvalidInput("a label is bought of what is packed: pack first, then hand over", "provider")
    request = [str(wanted.part_id), _units(wanted.units), asdict(parcel), asdict(carriage), wanted.notify]
    claim = _claim(context, "fulfillmentOrderFulfill", key, [*request, expected_version])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, fulfillment_order_id=wanted.part_id)
        if stored is not None:
            return _replayed(found, stored)
        check_version(found.order.version, expected_version)
        part = found.part(wanted.part_id)
        decide.check_workable(found.order, part)
        units = decide.open_units(part, found.shipments) if wanted.units is None else wanted.units
        if wanted.units is None and not units:
            raise InvalidInput("none of its units is open: they are packed, or wait for stock", "id")
        handed = await shipments.pack_and_hand_over(
            context,
            transaction,
            found,
            part,
            replace(parcel, lines=units),
            carriage,
            notify=wanted.notify,
        )
        transaction.answer(_answer(handed.shipments))
    return await _sent(context, handed)


async def create(
    context: ServiceContext,
    part_id: UUID,
    parcels: Sequence[ParcelDraft],
    carriage: Carriage,
    expected_version: int | None,
    key: str,
) -> Sent:
    """Pack units of a fulfillment order into parcels that stay until they are handed over.

    Where the carriage names a provider, their labels are bought from it. Raises NotFound,
    IllegalTransition, InvalidInput and VersionConflict.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    carriage = _checked(context, carriage)
    drafts = []
    for at, parcel in enumerate(parcels):
        with under("parcels", str(at)):
            drafts.append(check_parcel(parcel))
    request = [str(part_id), [[_units(one.lines), asdict(replace(one, lines={}))] for one in drafts]]
    claim = _claim(context, "shipmentCreate", key, [*request, asdict(carriage), expected_version])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, fulfillment_order_id=part_id, path="fulfillmentOrderId")
        if stored is not None:
            return _replayed(found, stored)
        check_version(found.order.version, expected_version)
        packed = await shipments.pack(
            transaction,
            found,
            found.part(part_id),
            drafts,
            carrier=carriage.carrier,
            service=carriage.service,
            provider=carriage.provider,
        )
        transaction.answer(_answer(packed.shipments))
        return _of(packed.found, packed.shipments)


async def hand_over(
    context: ServiceContext,
    shipment_id: UUID,
    expected_version: int | None,
    key: str,
    *,
    notify: bool = True,
) -> Sent:
    """Let a parcel leave; one that has left already is left alone.

    Raises NotFound, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    claim = _claim(context, "shipmentHandOver", key, [str(shipment_id), expected_version, notify])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, shipment_id=shipment_id)
        if stored is not None:
            return _replayed(found, stored)
        check_version(found.order.version, expected_version)
        handed = await shipments.hand_over(context, transaction, found, [shipment_id], notify=notify)
        transaction.answer({"shipments": [str(shipment_id)]})
    sent = await _sent(context, handed)
    return replace(sent, shipments=(handed.found.shipment(shipment_id),))


async def hand_over_many(context: ServiceContext, shipment_ids: Sequence[UUID], key: str) -> list[Outcome]:
    """Let many parcels leave, each or not: one transaction an order, and what became of each is told.

    Raises InvalidInput for none, too many, or one named twice.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    if not 1 <= len(shipment_ids) <= MOST_AT_ONCE or len(set(shipment_ids)) < len(shipment_ids):
        raise InvalidInput(f"must be between 1 and {MOST_AT_ONCE} shipments, each once", "ids")
    check_key(key)
    async with context.read() as connection:
        owners = await order_parts.orders_of_shipments(connection, shipment_ids)
    of_order: dict[UUID, list[UUID]] = {}
    for shipment_id in shipment_ids:
        if shipment_id in owners:
            of_order.setdefault(owners[shipment_id], []).append(shipment_id)
    outcomes = {
        one: Outcome(one, error=NotFound("there is no such shipment", "ids"))
        for one in shipment_ids
        if one not in owners
    }
    request = sorted(str(one) for one in shipment_ids)
    for order_id, ids in of_order.items():
        claim = claim_for(f"shipmentsHandOver:{context.actor.label}:{order_id}", key, request)
        for outcome in await _together(context, order_id, ids, claim):
            outcomes[outcome.shipment_id] = outcome
    return [outcomes[one] for one in shipment_ids]


async def cancel(context: ServiceContext, shipment_id: UUID, expected_version: int | None, key: str) -> Sent:
    """Unpack a parcel that has not left: its units are open again. Repeating it changes nothing.

    Raises NotFound, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    claim = _claim(context, "shipmentCancel", key, [str(shipment_id), expected_version])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, shipment_id=shipment_id)
        if stored is not None:
            return _replayed(found, stored)
        check_version(found.order.version, expected_version)
        packed = await shipments.cancel(transaction, found, [shipment_id])
        transaction.answer({"shipments": [str(shipment_id)]})
        return _of(packed.found, (packed.found.shipment(shipment_id),))


async def update_tracking(
    context: ServiceContext, shipment_id: UUID, changes: TrackingChanges, expected_version: int | None
) -> Sent:
    """Correct who brings a parcel, and by which number it is followed; a typed number stands for a label.

    Raises NotFound, InvalidInput, VersionConflict, and IllegalTransition for a parcel that is canceled or
    whose label is being bought.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    changes = checked_tracking(changes)
    async with context.transaction() as transaction:
        found = await shipments.locked(transaction, shipment_id=shipment_id)
        check_version(found.order.version, expected_version)
        before = found.shipment(shipment_id)
        shipment = decide.tracked(before, changes)
        if shipment == before:
            return _of(found, (shipment,))
        after = found.with_shipments(shipment)
        after = replace(after, order=replace(after.order, version=found.order.version + 1))
        parts = decide.labeled(after, shipment)
        await rows.save(
            transaction.connection, after.order, parts=parts, shipments=[shipment], now=transaction.now
        )
        await audit.record(
            transaction, "ShipmentTrackingUpdated", "shipment", shipment_id, before=before, after=shipment
        )
        kind = "ShipmentTrackingUpdated" if shipment.status is before.status else "ShipmentLabelCreated"
        transaction.emit(shipment_event(kind, after.order, shipment, transaction.now))
        return _of(after.with_parts(*parts), (shipment,))


async def _together(
    context: ServiceContext, order_id: UUID, ids: Sequence[UUID], claim: Claim
) -> list[Outcome]:
    """Hand over parcels of one order: those that may leave do, of the others the reason is told."""
    handed: HandedOver | None = None
    refused: dict[UUID, DomainError] = {}
    try:
        async with context.transaction() as transaction:
            stored = await transaction.replay(claim)
            found = await shipments.locked(transaction, order_id=order_id)
            if stored is not None:
                return [_told_before(found, one, stored["refused"]) for one in ids]
            leaving, refused = decide.sort_out(found, ids, transaction.now)
            handed = await shipments.hand_over(context, transaction, found, leaving)
            told = {str(one): error.message for one, error in refused.items()}
            transaction.answer({"refused": told})
    except DomainError as error:
        return [Outcome(one, error=error) for one in ids]
    order = await shipments.take_money(context, handed)
    return [
        Outcome(one, error=refused[one])
        if one in refused
        else Outcome(one, handed.found.shipment(one), order)
        for one in ids
    ]


def _told_before(found: LockedFulfillment, shipment_id: UUID, refused: Mapping[str, str]) -> Outcome:
    shipment = found.shipment(shipment_id)
    message = refused.get(str(shipment_id))
    if message is None:
        return Outcome(shipment_id, shipment, found.order)
    return Outcome(shipment_id, error=IllegalTransition(message, shipment.status.value, (), "id"))


async def _sent(context: ServiceContext, handed: HandedOver) -> Sent:
    order = await shipments.take_money(context, handed)
    return replace(_of(handed.found, handed.shipments), order=order)


def _of(found: LockedFulfillment, concerned: Sequence[Shipment]) -> Sent:
    of_parts = {one.fulfillment_order_id for one in concerned}
    return Sent(found.order, tuple(one for one in found.parts if one.id in of_parts), tuple(concerned))


def _replayed(found: LockedFulfillment, stored: Mapping[str, Any]) -> Sent:
    return _of(found, [found.shipment(UUID(one)) for one in stored["shipments"]])


def _answer(made: Sequence[Shipment]) -> dict[str, Any]:
    return {"shipments": [str(one.id) for one in made]}


def _units(units: Mapping[UUID, int] | None) -> list[list[Any]] | None:
    return None if units is None else sorted([str(line_id), count] for line_id, count in units.items())


def _checked(context: ServiceContext, carriage: Carriage) -> Carriage:
    if carriage.provider is not None and carriage.provider not in context.environment.carriers:
        raise InvalidInput("is no carrier that labels can be bought from", "provider")
    carrier = require_text(carriage.carrier, MAX_TEXT_LENGTH, "carrier")
    return replace(carriage, carrier=carrier, service=text_of(carriage.service, "service"))


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)
