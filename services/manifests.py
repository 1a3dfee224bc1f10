"""Use cases of manifests: parcels that a carrier takes over together are listed, then handed over.

Parcels are handed over order by order, each in a transaction of its own: whoever dies halfway closes the
manifest again, and what has left already is left alone. The carrier is told after that, outside of any
transaction, under a key made of the manifest's id; a sweep tells it again where no answer came.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain import manifests as decide
from domain.carrier_ports import CarrierRefused, CarrierUnavailable, LabelFormat, ManifestMaker
from domain.carrier_ports import Manifest as Closed
from domain.kernel.errors import InvalidInput, NotFound, under
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.moments import in_utc
from domain.kernel.quantities import is_storable
from domain.kernel.transitions import check_transition
from domain.manifests import CarrierClosing, Manifest, ManifestFilter, ManifestStatus
from domain.parcels import text_of
from domain.shipment_changes import sort_out
from persistence import fulfillment
from persistence import manifests as rows
from persistence.idempotency import claim_for
from services import shipments
from services.access import Permission, require
from services.context import ServiceContext, Transaction

MOST_AT_ONCE = 20


async def create(
    context: ServiceContext, location_code: str, carrier: str, provider: str | None, key: str
) -> Manifest:
    """List the parcels of a carrier that have their label and are on no manifest yet, the oldest first.

    Raises NotFound for the location, and InvalidInput where there is none.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    carrier = text_of(carrier, "carrier") or ""
    provider = text_of(provider, "provider")
    scope = f"manifestCreate:{context.actor.label}"
    claim = claim_for(scope, check_key(key), [location_code, carrier, provider])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return await _locked(transaction, UUID(stored["manifest"]))
        location_id = None
        if is_storable(location_code):
            location_id = await fulfillment.location_id(transaction.connection, location_code)
        if location_id is None:
            raise NotFound("no location in use has this code", "locationCode")
        manifest_id = new_id()
        count = await rows.add(
            transaction.connection,
            manifest_id,
            location_id,
            carrier,
            provider,
            transaction.actor,
            transaction.now,
            decide.MAX_PARCELS,
        )
        if not count:
            raise InvalidInput(decide.NONE_WAITS, "carrier")
        manifest = await _locked(transaction, manifest_id)
        transaction.emit(_event("ManifestCreated", manifest, transaction.now, parcels=count))
        transaction.answer({"manifest": str(manifest_id)})
        return manifest


async def close(context: ServiceContext, manifest_id: UUID) -> Manifest:
    """Hand all of its parcels over; those that may not leave stay, each with the reason.

    A closed one is left alone. Raises NotFound.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    manifest = await get(context, manifest_id)
    if manifest is None:
        raise NotFound("there is no such manifest", "id")
    if manifest.status is ManifestStatus.OPEN:
        of_order: dict[UUID, list[UUID]] = {}
        for parcel in manifest.parcels:
            if parcel.error is None:
                of_order.setdefault(parcel.order_id, []).append(parcel.shipment_id)
        for order_id, ids in of_order.items():
            await _hand_over(context, manifest_id, order_id, ids)
        await _close(context, manifest_id)
        await _tell(context, manifest_id)
    closed = await get(context, manifest_id)
    assert closed is not None, "manifests are never deleted"  # noqa: S101
    return closed


async def get(context: ServiceContext, manifest_id: UUID) -> Manifest | None:
    """Return a manifest; None when there is none."""
    require(context.actor, Permission.WAREHOUSE_WRITE)
    async with context.read() as connection:
        return await rows.find(connection, manifest_id)


async def page(
    context: ServiceContext,
    narrowed: ManifestFilter,
    location_code: str | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[Manifest]:
    """Return manifests from the newest on, without parcels, one more than the page has if there are more.

    Raises NotFound for the location and InvalidInput for the filter.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    with under("filter"):
        narrowed = replace(
            narrowed,
            carrier=text_of(narrowed.carrier, "carrier"),
            created_from=narrowed.created_from and in_utc(narrowed.created_from, "createdFrom"),
            created_before=narrowed.created_before and in_utc(narrowed.created_before, "createdBefore"),
        )
        async with context.read() as connection:
            location_id = None
            if location_code is not None:
                known = is_storable(location_code)
                location_id = await fulfillment.location_id(connection, location_code) if known else None
                if location_id is None:
                    raise NotFound("no location in use has this code", "locationCode")
            return await rows.page(connection, size + 1, after, narrowed, location_id)


async def document(context: ServiceContext, document_id: UUID) -> tuple[LabelFormat, bytes] | None:
    """Return a carrier's own list as it gave it; None where there is none, or it is not for who asks."""
    if not context.actor.may(Permission.WAREHOUSE_WRITE):
        return None
    async with context.read() as connection:
        return await rows.document(connection, document_id)


async def settle(context: ServiceContext) -> int:
    """Tell carriers again of manifests that they have not answered for; returns how many."""
    require(context.actor, Permission.WAREHOUSE_WRITE)
    async with context.read() as connection:
        waiting = await rows.requested(connection, MOST_AT_ONCE)
    for manifest_id in waiting:
        await _tell(context, manifest_id)
    return len(waiting)


async def _hand_over(context: ServiceContext, manifest_id: UUID, order_id: UUID, ids: list[UUID]) -> None:
    async with context.transaction() as transaction:
        found = await shipments.locked(transaction, order_id=order_id)
        leaving, refused = sort_out(found, ids, transaction.now)
        handed = await shipments.hand_over(context, transaction, found, leaving)
        if refused:
            told = {one: error.message for one, error in refused.items()}
            await rows.refuse(transaction.connection, manifest_id, told)
    await shipments.take_money(context, handed)


async def _close(context: ServiceContext, manifest_id: UUID) -> None:
    async with context.transaction() as transaction:
        manifest = await _locked(transaction, manifest_id)
        if not check_transition(decide.TRANSITIONS, manifest.status, ManifestStatus.CLOSED, "the manifest"):
            return
        told = _maker(context, manifest) is not None and any(one.error is None for one in manifest.parcels)
        closed = replace(
            manifest,
            status=ManifestStatus.CLOSED,
            version=manifest.version + 1,
            closed_at=transaction.now,
            closing=CarrierClosing.REQUESTED if told else CarrierClosing.NONE,
        )
        await rows.save(transaction.connection, closed)
        left = sum(one.error is not None for one in closed.parcels)
        transaction.emit(_event("ManifestClosed", closed, transaction.now, refused=left))


async def _tell(context: ServiceContext, manifest_id: UUID) -> None:
    """Ask the carrier to close out, and write what it said; without an answer the sweep asks again."""
    manifest = await get(context, manifest_id)
    if manifest is None or manifest.closing is not CarrierClosing.REQUESTED:
        return
    maker = _maker(context, manifest)
    if maker is None:
        return
    references = [
        one.provider_reference for one in manifest.parcels if one.error is None and one.provider_reference
    ]
    made: Closed | None = None
    message: str | None = None
    try:
        async with asyncio.timeout(context.environment.carrier_time_limit_seconds):
            made = await maker.close_out(f"manifest-{manifest_id}", references)
    except (CarrierUnavailable, TimeoutError):
        return
    except CarrierRefused as error:
        message = f"{error.code}: {error.message}"[:500]
    async with context.transaction() as transaction:
        locked = await _locked(transaction, manifest_id)
        if locked.closing is not CarrierClosing.REQUESTED:
            return
        after = replace(
            locked,
            closing=CarrierClosing.FAILED if made is None else CarrierClosing.DONE,
            reference=None if made is None else made.reference,
            message=message,
            version=locked.version + 1,
        )
        await rows.save(transaction.connection, after)
        if made is not None and made.document:
            await rows.keep_document(transaction.connection, manifest_id, made, transaction.now)
        kind = "ManifestRefused" if made is None else "ManifestConfirmed"
        transaction.emit(_event(kind, after, transaction.now))


def _maker(context: ServiceContext, manifest: Manifest) -> ManifestMaker | None:
    carrier: object = context.environment.carriers.get(manifest.provider or "")
    return carrier if isinstance(carrier, ManifestMaker) else None


async def _locked(transaction: Transaction, manifest_id: UUID) -> Manifest:
    manifest = await rows.lock(transaction.connection, manifest_id)
    if manifest is None:
        raise NotFound("there is no such manifest", "id")
    return manifest


def _event(kind: str, manifest: Manifest, now: datetime, **facts: Any) -> Event:
    payload = {"carrier": manifest.carrier, "status": manifest.status.value, **facts}
    return Event(kind, "manifest", manifest.id, manifest.version, now, None, payload)
