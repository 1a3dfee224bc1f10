"""Use cases of printed papers: packing slips, address labels and pick lists, rendered when asked for.

Nothing of them is stored: they are as true as what they are made of. Rendering is done off the event loop,
a document at a time, so that a stack of papers keeps nobody else waiting.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from domain.document_ports import (
    AddressLabel,
    Column,
    Document,
    Documents,
    Listing,
    PackingSlip,
    PageSize,
    SlipLine,
)
from domain.fulfillment import FulfillmentOrder
from domain.kernel.errors import InvalidInput, NotFound
from domain.locations import Location
from domain.orders import Order
from domain.waves import Wave, pick_list
from persistence import channels, locations, order_parts, orders
from persistence import manifests as manifest_rows
from persistence import waves as wave_rows
from services.access import Permission, require
from services.context import ServiceContext

_ONE_AT_A_TIME = asyncio.Semaphore(1)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A part of an order with what its papers say."""

    order: Order
    part: FulfillmentOrder
    names: dict[UUID, str]
    sender: Location | None
    locale: str


async def packing_slip(
    context: ServiceContext, part_id: UUID, language: str | None, page: PageSize
) -> Document:
    """Return the packing slip of a fulfillment order, in the channel's language unless one is named.

    Raises NotFound, and InvalidInput for a language that is none.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    locale = None if language is None else _locale(language)
    sent = await _sent(context, part_id)
    spoken = locale or _locale(sent.locale)
    lines = [
        SlipLine(line.sku, sent.names.get(line.order_line_id, line.sku), line.quantity - line.quantity_short)
        for line in sent.part.lines
        if line.quantity > line.quantity_short
    ]
    slip = PackingSlip(
        sent.order.number,
        str(format_date(sent.order.placed_at, format="medium", locale=spoken)),
        sent.sender.address if sent.sender else None,
        sent.order.shipping_address,
        lines,
        spoken.language,
        page,
    )
    return await _rendered(context, lambda documents: documents.packing_slip(slip))


async def address_label(context: ServiceContext, part_id: UUID, page: PageSize) -> Document:
    """Return an address label of a fulfillment order, for parcels whose label no carrier makes.

    Raises NotFound.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    sent = await _sent(context, part_id)
    service = str((sent.order.delivery or {}).get("service") or "")
    sender = sent.sender.address if sent.sender else None
    label = AddressLabel(sender, sent.order.shipping_address, sent.order.number, service, page)
    return await _rendered(context, lambda documents: documents.address_label(label))


async def pick_list_document(context: ServiceContext, wave_id: UUID, page: PageSize) -> Document:
    """Return the pick list of a wave, in the order of the walk; raises NotFound."""
    require(context.actor, Permission.WAREHOUSE_WRITE)
    async with context.read() as connection:
        wave = await wave_rows.find(connection, wave_id)
        if wave is None:
            raise NotFound("there is no such wave", "waveId")
        found = await locations.by_ids(connection, [wave.location_id])
    listing = replace(_pick_listing(wave, found[wave.location_id].code), page=page)
    return await _rendered(context, lambda documents: documents.listing(listing))


def _pick_listing(wave: Wave, location_code: str) -> Listing:
    rows = []
    for row in pick_list(wave.picks):
        units = ", ".join(f"{pick.tote}: {pick.quantity - pick.short}" for pick in row.picks)
        where = (row.bin.zone, row.bin.code) if row.bin else ("", "")
        rows.append([*where, row.sku, row.name, str(row.quantity - row.short), units])
    totes = {pick.tote: pick.order_number for pick in wave.picks}
    return Listing(
        "Pick list",
        f"W-{wave.id.hex[-12:]}",
        [
            ("Location", location_code),
            ("Made", f"{wave.created_at:%Y-%m-%d %H:%M} UTC"),
            ("Totes", ", ".join(f"{tote} = {number}" for tote, number in sorted(totes.items()))),
        ],
        (
            Column("Zone", 2),
            Column("Bin", 3),
            Column("SKU", 4),
            Column("Item", 7),
            Column("Units", 2, numbers=True),
            Column("Tote: units", 4),
        ),
        rows,
        ("Picked by",),
    )


async def manifest_document(context: ServiceContext, manifest_id: UUID, page: PageSize) -> Document:
    """Return a manifest to be signed, with the parcels that go or went; raises NotFound."""
    require(context.actor, Permission.WAREHOUSE_WRITE)
    async with context.read() as connection:
        manifest = await manifest_rows.find(connection, manifest_id)
        if manifest is None:
            raise NotFound("there is no such manifest", "manifestId")
        found = await locations.by_ids(connection, [manifest.location_id])
    parcels = [one for one in manifest.parcels if one.error is None]
    columns = (
        Column("Order", 3),
        Column("Tracking number", 5),
        Column("To", 5),
        Column("Units", 2, numbers=True),
    )
    listing = Listing(
        "Manifest",
        f"M-{manifest.id.hex[-12:]}",
        [
            ("Carrier", manifest.carrier),
            ("From", found[manifest.location_id].name),
            ("Made", f"{manifest.created_at:%Y-%m-%d %H:%M} UTC"),
            ("Parcels", str(len(parcels))),
        ],
        columns,
        [[one.order_number, one.tracking_number or "", one.destination, str(one.units)] for one in parcels],
        ("Handed over by", "Taken over by, date and time"),
        page,
    )
    return await _rendered(context, lambda documents: documents.listing(listing))


async def _sent(context: ServiceContext, part_id: UUID) -> _Sent:
    async with context.read() as connection:
        order_id = await order_parts.order_of_fulfillment_order(connection, part_id)
        if order_id is None:
            raise NotFound("there is no such fulfillment order", "fulfillmentOrderId")
        order = (await orders.by_ids(connection, [order_id]))[order_id]
        parts = (await order_parts.parts_of(connection, [order_id]))[order_id]
        lines = (await order_parts.lines_of(connection, [order_id])).get(order_id, [])
        part = next(one for one in parts.fulfillment_orders if one.id == part_id)
        places = await locations.by_ids(connection, [part.location_id])
        settings = (await channels.settings_of(connection, [order.channel_id])).get(order.channel_id)
    names = {line.id: line.name for line in lines}
    locale = settings.locale if settings else "en"
    return _Sent(order, part, names, places.get(part.location_id), locale)


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language.strip().replace("_", "-"), sep="-")
    except (ValueError, TypeError, UnknownLocaleError):
        raise InvalidInput("is not a language such as en or de-AT", "language") from None


async def _rendered(context: ServiceContext, render: Callable[[Documents], Document]) -> Document:
    documents = context.environment.documents
    if documents is None:
        raise RuntimeError("nobody renders documents here")
    async with _ONE_AT_A_TIME:
        return await asyncio.to_thread(render, documents)
