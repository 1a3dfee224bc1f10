"""SQL of how returns of channels are sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.return_parcels import ReturnShipping
from persistence.tables.base import JSON

_COLUMNS = "id, channel_id, location_id, provider, service_code, instructions, remind_days, version"
_ALL = text(f"SELECT {_COLUMNS} FROM return_shipping ORDER BY channel_id NULLS FIRST")
_SAID = f"""
    SELECT {_COLUMNS} FROM return_shipping WHERE channel_id IS NULL OR channel_id = :channel_id
     ORDER BY channel_id NULLS LAST LIMIT 1
"""
_SET = text(
    f"""
    INSERT INTO return_shipping ({_COLUMNS})
    VALUES (:id, :channel_id, :location_id, :provider, :service_code, :instructions, :remind_days, 1)
    ON CONFLICT (channel_id) DO UPDATE
       SET location_id = excluded.location_id, provider = excluded.provider,
           service_code = excluded.service_code, instructions = excluded.instructions,
           remind_days = excluded.remind_days, version = return_shipping.version + 1
    RETURNING {_COLUMNS}
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("channel_id", "location_id")),
    *(bindparam(name, type_=Text()) for name in ("provider", "service_code", "instructions")),
    bindparam("remind_days", type_=Integer()),
)
# With what its channel says, and of the parcel that brought the units: by which of its carrier's services it
# went, and from where.
_PLANNING = (
    text(
        f"""
    SELECT EXISTS (SELECT FROM return_parcels p WHERE p.return_id = :return_id AND p.source = 'LABEL')
               AS planned,
           (SELECT to_jsonb(c) FROM ({_SAID}) c) AS said, out.*
      FROM (SELECT) one
      LEFT JOIN (SELECT coalesce(s.service_code, s.service) AS service_code, s.carrier,
                        coalesce(s.location_id, f.location_id) AS location_id
                   FROM shipments s LEFT JOIN fulfillment_orders f ON f.id = s.fulfillment_order_id
                  WHERE s.id = :shipment_id) out ON true
    """
    )
    .bindparams(*(bindparam(name, type_=Uuid()) for name in ("return_id", "channel_id", "shipment_id")))
    .columns(said=JSON)
)
_INSTRUCTIONS = text(
    """
    SELECT r.id, (SELECT s.instructions FROM return_shipping s
                   WHERE s.channel_id IS NULL OR s.channel_id = o.channel_id
                   ORDER BY s.channel_id NULLS LAST LIMIT 1) AS instructions
      FROM returns r JOIN orders o ON o.id = r.order_id WHERE r.id = ANY (:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


@dataclass(frozen=True, slots=True)
class Planning:
    """What a return's plan follows from; the service, carrier and location are those of the way out."""

    planned: bool
    said: ReturnShipping
    service_code: str | None
    carrier: str | None
    location_id: UUID | None


async def all_of_them(connection: AsyncConnection) -> list[ReturnShipping]:
    """Return what is said for every channel first, then for each."""
    return [_shipping(row) for row in await connection.execute(_ALL)]


async def set_for(connection: AsyncConnection, key: UUID, wanted: ReturnShipping) -> ReturnShipping:
    """Write how returns of a channel are sent, in place of what was said; returns it as it is stored."""
    values = {
        "id": key,
        "channel_id": wanted.channel_id,
        "location_id": wanted.location_id,
        "provider": wanted.provider,
        "service_code": wanted.service_code,
        "instructions": wanted.instructions,
        "remind_days": wanted.remind_days,
    }
    return _shipping((await connection.execute(_SET, values)).one())


async def instructions(connection: AsyncConnection, return_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return what customers have to know of how to send returns, by return, where the shop says anything."""
    found = await connection.execute(_INSTRUCTIONS, {"ids": list(return_ids)})
    return {row.id: row.instructions for row in found if row.instructions is not None}


async def planning(
    connection: AsyncConnection, return_id: UUID, channel_id: UUID, shipment_id: UUID | None
) -> Planning:
    """Return all that decides how a return is sent whose order is locked; `shipment_id` brought its units."""
    values = {"return_id": return_id, "channel_id": channel_id, "shipment_id": shipment_id}
    row = (await connection.execute(_PLANNING, values)).one()
    said = ReturnShipping(**{**row.said, **_ids(row.said)}) if row.said else ReturnShipping()
    return Planning(row.planned, said, row.service_code, row.carrier, row.location_id)


def _ids(record: Mapping[str, Any]) -> dict[str, UUID]:
    return {name: UUID(record[name]) for name in ("id", "channel_id", "location_id") if record[name]}


def _shipping(row: Row[*tuple[Any, ...]] | Sequence[Any]) -> ReturnShipping:
    return ReturnShipping(*row)
