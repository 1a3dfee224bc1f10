"""Use cases of where parcels of returns are: by what carriers tell, and those customers send themselves."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domain import return_parcels as decide
from domain.kernel.errors import IllegalTransition, NotFound
from domain.kernel.ids import new_id
from domain.kernel.quantities import require_text
from domain.return_parcels import ParcelSource, ReturnParcel
from domain.returns import Return, ReturnStatus, return_event
from domain.shipments import ShipmentStatus
from domain.tracking import TrackingFact
from persistence import return_parcels as parcel_rows
from persistence import return_tracking as rows
from persistence import returns as return_rows
from services import orders, return_records
from services.access import Permission
from services.context import ServiceContext, Transaction
from services.orders import OrderRef
from services.return_records import LockedReturns

_LONGEST_CARRIER = 100
_LONGEST_NUMBER = 100


async def apply(context: ServiceContext, parcel_id: UUID, ids: Sequence[UUID]) -> None:
    """Apply what was told of a parcel that brings a return back; what was applied before changes nothing.

    With its first scan the return is IN_TRANSIT. One that is over stays so: who finds it here receives it.
    """
    async with context.transaction() as transaction:
        return_id = await rows.return_of(transaction.connection, parcel_id)
        found = await return_records.locked(transaction, return_id=return_id)
        assert return_id is not None, "a parcel that was found is of a return"  # noqa: S101
        parcels = (await parcel_rows.of_returns(transaction.connection, [return_id]))[return_id]
        parcel = next(one for one in parcels if one.id == parcel_id)
        new, before = await rows.apply(transaction.connection, parcel_id, ids)
        if new:
            await _track(transaction, found, found.named(return_id), parcel, new, before)


async def name_parcel(
    context: ServiceContext, ref: OrderRef | None, return_id: UUID, carrier: str, number: str
) -> Return:
    """Note the parcel by which a customer sends a return themselves; the same again changes nothing.

    A shopper names the order too. Raises NotFound, InvalidInput, and IllegalTransition for a return
    that is not to be sent, or whose parcel was scanned already.
    """
    orders.require_buyer_or(context.actor, ref, Permission.RETURNS_WRITE)
    carrier = require_text(carrier, _LONGEST_CARRIER, "carrier")
    number = require_text(number, _LONGEST_NUMBER, "trackingNumber")
    owner = None if ref is None else (await orders.get(context, ref)).id
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=return_id)
        one = found.named(return_id)
        if owner not in {None, one.order_id}:
            raise NotFound("no return has this id", "id")
        parcels = (await parcel_rows.of_returns(transaction.connection, [return_id])).get(return_id, [])
        known = next((parcel for parcel in parcels if parcel.source is ParcelSource.OWN), None)
        if known is not None and (known.carrier, known.tracking_number) == (carrier, number):
            return one
        if one.status not in {ReturnStatus.APPROVED, ReturnStatus.IN_TRANSIT} or one.keeps_items:
            raise IllegalTransition("only what is to be sent has a parcel", one.status.value, (), "id")
        if known is not None and known.was_scanned:
            raise IllegalTransition("its carrier has the parcel", known.status.value, (), "trackingNumber")
        if known is not None:
            await rows.forget(transaction.connection, known.id)
        await parcel_rows.put(transaction.connection, _own(context, one, carrier, number, transaction))
        await _save(transaction, found, one, one, "ReturnTrackingSet", carrier=carrier, trackingNumber=number)
    return one


def _own(
    context: ServiceContext, one: Return, carrier: str, number: str, transaction: Transaction
) -> ReturnParcel:
    """Return a customer's own parcel; a carrier that we know by this name is asked about it."""
    provider = carrier.casefold() if carrier.casefold() in context.environment.carriers else None
    return ReturnParcel(
        new_id(),
        one.id,
        ParcelSource.OWN,
        transaction.now,
        status=ShipmentStatus.PRE_TRANSIT,
        provider=provider,
        carrier=carrier,
        tracking_number=number,
    )


async def _track(
    transaction: Transaction,
    found: LockedReturns,
    one: Return,
    parcel: ReturnParcel,
    new: Sequence[TrackingFact],
    before: Sequence[TrackingFact],
) -> None:
    """Move a parcel to where all that was told has it, and its return with it; tell of the step, if any."""
    was = decide.tracked(parcel, before)
    after = decide.tracked(parcel, [*before, *new])
    await rows.save(transaction.connection, after)
    kind = decide.told_of(was, after)
    moved = decide.on_its_way(one, after, transaction.now)
    kinds = ["ReturnInTransit"] if moved is not one else []
    if kind is not None and kind not in kinds and (kind != "ReturnInTransit" or moved is not one):
        kinds.append(kind)
    if not kinds:
        return
    order = replace(found.placed.order, version=found.placed.order.version + 1)
    await return_rows.save(transaction.connection, one, moved, order)
    facts = {"parcelStatus": after.status.value, "place": after.position}
    transaction.emit(*(return_event(told, order, moved, transaction.now, **facts) for told in kinds))


async def _save(
    transaction: Transaction, found: LockedReturns, before: Return, after: Return, kind: str, **facts: str
) -> None:
    order = replace(found.placed.order, version=found.placed.order.version + 1)
    await return_rows.save(transaction.connection, before, after, order)
    transaction.emit(return_event(kind, order, after, transaction.now, **facts))
