"""SQL of pickups: where carts are collected, what stores have, and what waits in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Double, Integer, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.kernel.money import Money
from domain.pickup_changes import Pickup
from domain.pickups import Near, PickupItem, PickupOffer, PickupPlace
from persistence.delivery_rules import CALENDAR_JSON, calendar_of
from persistence.location_rules import hours_of

# Of a location `lo`; packed with the place.
_TERMS = """(SELECT json_build_array(pf.fee_minor, {currency}) FROM pickup_fees pf
                    WHERE pf.channel_id = {channel} AND pf.location_id = lo.id), lo.opening_hours"""
_USABLE = "lo.pickup AND lo.archived_at IS NULL AND lo.address IS NOT NULL"


def place_sql(cart: str) -> str:
    """Return the column `pickup` of a cart's alias, for `place_of`: null where it is delivered.

    A location that no longer hands out is none, but for who pays for the cart at this moment.
    """
    return f"""
       (SELECT json_build_array(lo.id, lo.code, lo.name, lo.address, {CALENDAR_JSON},
                   coalesce({cart}.pickup_contact, {cart}.shipping_address ->> 'name',
                            {cart}.billing_address ->> 'name'),
                   {_TERMS.format(channel=cart + ".channel_id", currency=cart + ".currency")})
          FROM locations lo WHERE lo.id = {cart}.pickup_location_id
           AND ({_USABLE} OR ({cart}.status = 'CHECKOUT' AND lo.address IS NOT NULL))) AS pickup"""


def goes_to_sql(cart: str) -> str:
    """Return the expression for the address that a cart is taxed at."""
    return f"""coalesce((SELECT g.address FROM locations g WHERE g.id = {cart}.pickup_location_id),
                        {cart}.shipping_address)"""


def place_of(record: list[Any] | None) -> PickupPlace | None:
    """Return the place that `place_sql` packed."""
    if record is None:
        return None
    location_id, code, name, address, calendar, contact, fee, hours = record
    return PickupPlace(
        UUID(location_id),
        code,
        name,
        Address.from_json(address),
        calendar_of(*calendar),
        contact,
        Money(*fee) if fee else None,
        hours_of(hours),
    )


_SELECT = text(
    f"""
    UPDATE carts SET pickup_location_id = lo.id, pickup_contact = :contact, delivery_rate_id = NULL,
           delivery_quote_id = NULL, delivery_price_minor = NULL
      FROM locations lo JOIN channel_locations s ON s.location_id = lo.id
     WHERE carts.id = :id AND lo.code = :code AND s.channel_id = carts.channel_id AND {_USABLE}
    RETURNING carts.id
    """
).bindparams(bindparam("contact", type_=Text()))
# Great circles on a ball of 6,371 km, as the haversine formula has them.
_METERS = """CASE WHEN lo.latitude IS NOT NULL AND CAST(:latitude AS float8) IS NOT NULL THEN
    12742000 * asin(least(1, sqrt(
        sin(radians(lo.latitude - :latitude) / 2) ^ 2
        + cos(radians(lo.latitude)) * cos(radians(:latitude))
          * sin(radians(lo.longitude - :longitude) / 2) ^ 2
    ))) END"""
_OFFERS = text(
    f"""
    SELECT json_build_array(lo.id, lo.code, lo.name, lo.address, {CALENDAR_JSON}, NULL,
                   {_TERMS.format(channel="lo.channel_id", currency="lo.currency")}) AS place,
           lo.meters,
           (SELECT json_agg(json_build_array(w.sku, w.quantity, least(coalesce(s.available, 0)
                       + coalesce((SELECT sum(h.quantity) FROM holds h
                                    WHERE h.cart_id = :cart_id AND h.variant_id = v.id
                                      AND h.location_id = lo.id AND h.status = 'HELD'), 0), 2147483647))
                   ORDER BY w.position)
              FROM unnest(:skus, :quantities) WITH ORDINALITY AS w (sku, quantity, position)
              LEFT JOIN variants v ON v.sku = w.sku AND v.archived_at IS NULL
              LEFT JOIN stock_levels s ON s.variant_id = v.id AND s.location_id = lo.id) AS items
      FROM (SELECT lo.*, {_METERS} AS meters, cl.rank, ch.id AS channel_id, ch.currency
              FROM channels ch
              JOIN channel_locations cl ON cl.channel_id = ch.id
              JOIN locations lo ON lo.id = cl.location_id
             WHERE ch.slug = :slug AND ch.archived_at IS NULL AND {_USABLE}
             ORDER BY meters NULLS LAST, cl.rank, lo.code LIMIT :most) lo
     ORDER BY lo.meters NULLS LAST, lo.rank, lo.code
    """
).bindparams(
    bindparam("skus", type_=ARRAY(Text)),
    bindparam("quantities", type_=ARRAY(Integer)),
    bindparam("cart_id", type_=Uuid()),
    bindparam("latitude", type_=Double()),
    bindparam("longitude", type_=Double()),
    bindparam("most", type_=BigInteger()),
)

_PICKUP = "p.shipment_id, p.fulfillment_order_id, p.ready_at, p.remind_at, p.wrong_codes"
_CREATE = text(
    """
    INSERT INTO pickups (shipment_id, fulfillment_order_id, ready_at, remind_at)
    VALUES (:shipment_id, :part_id, :ready_at, :remind_at)
    """
)
_LOCK_NEWEST = text(
    f"""
    SELECT {_PICKUP} FROM pickups p WHERE p.fulfillment_order_id = :part_id
     ORDER BY p.ready_at DESC LIMIT 1 FOR NO KEY UPDATE
    """
)
_COUNT = text("UPDATE pickups SET wrong_codes = wrong_codes + 1 WHERE shipment_id = :id")
_FORGET = text("UPDATE pickups SET remind_at = NULL WHERE shipment_id = :id")
_DUE = text(
    f"SELECT {_PICKUP} FROM pickups p WHERE p.remind_at <= :now ORDER BY p.remind_at LIMIT :most"
).bindparams(bindparam("now", type_=DateTime(timezone=True)))
_AGAIN = text(
    "UPDATE pickups SET remind_at = :again WHERE shipment_id = :id AND remind_at = :before"
    " RETURNING shipment_id"
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("again", "before")))
_OF_PARTS = text(
    f"""
    SELECT {_PICKUP} FROM pickups p JOIN shipments s ON s.id = p.shipment_id
     WHERE p.fulfillment_order_id = ANY (:ids)
       AND s.status = 'AVAILABLE_FOR_PICKUP' AND s.shipped_at IS NULL
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def select(connection: AsyncConnection, cart_id: UUID, code: str, contact: str | None) -> bool:
    """Let a locked cart be collected at the location with this code; False where it is none that hands out.

    Only one that serves the cart's channel is.
    """
    values = {"id": cart_id, "code": code, "contact": contact}
    return (await connection.execute(_SELECT, values)).first() is not None


async def offers(
    connection: AsyncConnection,
    slug: str,
    wanted: Sequence[tuple[str, int]],
    near: Near | None,
    most: int,
    *,
    cart_id: UUID | None = None,
) -> list[PickupOffer]:
    """Return stores of a channel that hand out, with what they have of (SKU, quantity); the nearest first.

    Without `near` as the channel prefers them. What `cart_id` holds counts as there.
    """
    rows = await connection.execute(
        _OFFERS,
        {
            "slug": slug,
            "skus": [sku for sku, _ in wanted],
            "quantities": [quantity for _, quantity in wanted],
            "cart_id": cart_id,
            "latitude": near and near.latitude,
            "longitude": near and near.longitude,
            "most": most,
        },
    )
    return [
        PickupOffer(
            place,
            tuple(PickupItem(*item) for item in row.items or ()),
            None if row.meters is None else round(row.meters),
        )
        for row in rows
        if (place := place_of(row.place)) is not None
    ]


async def create(connection: AsyncConnection, pickup: Pickup) -> None:
    """Write that something waits for its customer; its order is locked."""
    await connection.execute(
        _CREATE,
        {
            "shipment_id": pickup.shipment_id,
            "part_id": pickup.fulfillment_order_id,
            "ready_at": pickup.ready_at,
            "remind_at": pickup.remind_at,
        },
    )


async def lock_newest(connection: AsyncConnection, part_id: UUID) -> Pickup | None:
    """Lock what waits (or waited last) of a fulfillment order."""
    row = (await connection.execute(_LOCK_NEWEST, {"part_id": part_id})).first()
    return Pickup(*row) if row else None


async def count_wrong_code(connection: AsyncConnection, shipment_id: UUID) -> None:
    """Count a wrong code of a locked pickup."""
    await connection.execute(_COUNT, {"id": shipment_id})


async def forget_reminder(connection: AsyncConnection, shipment_id: UUID) -> None:
    """Write that nobody is waited for any more; the order is locked."""
    await connection.execute(_FORGET, {"id": shipment_id})


async def due(connection: AsyncConnection, *, now: datetime, most: int) -> list[Pickup]:
    """Return pickups that staff are to be told of, the longest due first."""
    return [Pickup(*row) for row in await connection.execute(_DUE, {"now": now, "most": most})]


async def remind_again(connection: AsyncConnection, pickup: Pickup, again: datetime) -> bool:
    """Put the next reminder off; False where another worker has told of this one."""
    values = {"id": pickup.shipment_id, "before": pickup.remind_at, "again": again}
    return (await connection.execute(_AGAIN, values)).first() is not None


async def of_parts(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Pickup]:
    """Return what waits for its customer, by fulfillment order."""
    return {
        row.fulfillment_order_id: Pickup(*row)
        for row in await connection.execute(_OF_PARTS, {"ids": list(ids)})
    }
