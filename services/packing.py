"""Use cases of packing: units are scanned into an open parcel, which becomes a shipment when it is closed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain import packing as decide
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.packing import Bench, OpenParcel
from domain.parcels import Carriage, ParcelDraft, check_parcel, text_of
from domain.pickup_changes import check_sent
from domain.shipments import Shipment
from persistence import packing as rows
from persistence.idempotency import Claim, claim_for
from services import shipments
from services.access import Permission, require
from services.context import ServiceContext, Transaction


@dataclass(frozen=True, slots=True)
class Closed:
    """A parcel that has become a shipment, and the bench after it."""

    bench: Bench
    shipment: Shipment


async def scan(
    context: ServiceContext, part_id: UUID, parcel_id: UUID | None, code: str, quantity: int, key: str
) -> tuple[Bench, OpenParcel]:
    """Put scanned units into an open parcel (None: a new one); returns it and what is left to pack.

    Seven statements, BEGIN and COMMIT among them. Raises NotFound, IllegalTransition, InvalidInput, and
    ScanRefused telling what was expected.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    claim = _claim(context, "packScan", key, [str(part_id), str(parcel_id), code, quantity])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        bench = await _bench(transaction, part_id)
        if stored is not None:
            gone = OpenParcel(UUID(stored["parcel"]), part_id, {})
            return bench, next((one for one in bench.parcels if one.id == gone.id), gone)
        parcel = OpenParcel(new_id(), part_id, {}, 0) if parcel_id is None else bench.parcel(parcel_id)
        filled = decide.scan(bench, parcel, code, quantity)
        await rows.save(transaction.connection, filled, transaction.actor, transaction.now)
        transaction.emit(_event("ParcelScanned", bench, filled, transaction.now, quantity=quantity))
        transaction.answer({"parcel": str(filled.id)})
        return bench.with_parcel(filled), filled


async def close(
    context: ServiceContext, parcel_id: UUID, given: ParcelDraft, carriage: Carriage | None, key: str
) -> Closed:
    """Make a shipment of an open parcel; without a carriage it goes as the order was sold.

    A weight that is not given is that of its items, where all of them are known. Where the carriage names a
    provider, the label is bought from it. Raises NotFound, IllegalTransition and InvalidInput.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    given = check_parcel(given)
    if carriage is not None:
        carriage = _checked(context, carriage)
    request = [str(parcel_id), asdict(replace(given, lines={})), carriage and asdict(carriage)]
    claim = _claim(context, "packClose", key, request)
    part_id = await _part_of(context, parcel_id)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        bench = await _bench(transaction, part_id)
        if stored is not None:
            return Closed(bench, bench.found.shipment(UUID(stored["shipment"])))
        parcel = bench.parcel(parcel_id)
        decide.check_packable(bench)
        check_sent(bench.part, "parcelId")
        goes = carriage or _as_sold(bench)
        packed = await shipments.pack(
            transaction,
            bench.found,
            bench.part,
            [decide.draft(bench, parcel, given)],
            carrier=goes.carrier,
            service=goes.service,
            provider=goes.provider,
        )
        [shipment] = packed.shipments
        await rows.end(transaction.connection, parcel_id, shipment.id, transaction.now)
        transaction.answer({"shipment": str(shipment.id)})
        rest = tuple(one for one in bench.parcels if one.id != parcel_id)
        after = replace(bench, found=packed.found, part=packed.found.part(part_id), parcels=rest)
        return Closed(after, shipment)


async def cancel(context: ServiceContext, parcel_id: UUID, key: str) -> Bench:
    """Take everything out of an open parcel again; one that is closed or emptied already is left alone.

    Raises NotFound.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    claim = _claim(context, "packCancel", key, [str(parcel_id)])
    part_id = await _part_of(context, parcel_id)
    async with context.transaction() as transaction:
        await transaction.replay(claim)
        bench = await _bench(transaction, part_id)
        found = next((one for one in bench.parcels if one.id == parcel_id), None)
        transaction.answer({})
        if found is None:
            return bench
        await rows.end(transaction.connection, parcel_id, None, transaction.now)
        emptied = replace(found, lines={}, version=found.version + 1)
        transaction.emit(_event("ParcelEmptied", bench, emptied, transaction.now))
        return replace(bench, parcels=tuple(one for one in bench.parcels if one.id != parcel_id))


async def _part_of(context: ServiceContext, parcel_id: UUID) -> UUID:
    async with context.read() as connection:
        part_id = await rows.part_of(connection, parcel_id)
    if part_id is None:
        raise NotFound("there is no such parcel", "parcelId")
    return part_id


async def _bench(transaction: Transaction, part_id: UUID) -> Bench:
    found = await shipments.locked(transaction, fulfillment_order_id=part_id, path="fulfillmentOrderId")
    parcels, items = await rows.bench(transaction.connection, part_id)
    return Bench(found, found.part(part_id), parcels, items)


def _as_sold(bench: Bench) -> Carriage:
    delivery: Mapping[str, Any] = bench.found.order.delivery or {}
    carrier = delivery.get("carrier")
    if not carrier:
        raise InvalidInput("say who brings it: the order does not", "carrier")
    return Carriage(str(carrier), str(delivery["service"]) if delivery.get("service") else None)


def _checked(context: ServiceContext, carriage: Carriage) -> Carriage:
    if carriage.provider is not None and carriage.provider not in context.environment.carriers:
        raise InvalidInput("is no carrier that labels can be bought from", "provider")
    carrier = text_of(carriage.carrier, "carrier") or ""
    return replace(carriage, carrier=carrier, service=text_of(carriage.service, "service"))


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)


def _event(kind: str, bench: Bench, parcel: OpenParcel, now: datetime, **facts: Any) -> Event:
    order = bench.found.order
    payload = {"number": order.number, "fulfillmentOrderId": str(bench.part.id), **facts}
    return Event(kind, "parcel", parcel.id, parcel.version, now, order.channel_id, payload)
