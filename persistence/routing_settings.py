"""SQL of what a channel says about routing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.routing_settings import ChannelRouting, SiteTerms
from persistence.json_text import json_text
from persistence.routing import settings_of

_OF = text("SELECT to_jsonb(r) AS settings FROM channel_routing r WHERE channel_id = :channel_id").bindparams(
    bindparam("channel_id", type_=Uuid())
)
_SITES = text(
    """
    SELECT location_id, parcel_minor, unit_minor, priority, countries FROM channel_location_routing
     WHERE channel_id = :channel_id ORDER BY location_id
    """
).bindparams(bindparam("channel_id", type_=Uuid()))
_KNOWN = text("SELECT id FROM locations WHERE id = ANY (:ids) AND archived_at IS NULL").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_SAVE = text(
    """
    INSERT INTO channel_routing (channel_id, strategy, split_penalty_minor, parcel_minor, kilogram_minor,
           hundred_km_minor, kilogram_hundred_km_minor, late_day_minor, batches,
           stock_prices, hold_back_minutes, version)
    VALUES (:channel_id, :strategy, :split_penalty_minor, :parcel_minor, :kilogram_minor, :hundred_km_minor,
            :kilogram_hundred_km_minor, :late_day_minor, :batches,
            :stock_prices, :hold_back_minutes, :version)
    ON CONFLICT (channel_id) DO UPDATE SET strategy = excluded.strategy,
           split_penalty_minor = excluded.split_penalty_minor, parcel_minor = excluded.parcel_minor,
           kilogram_minor = excluded.kilogram_minor, hundred_km_minor = excluded.hundred_km_minor,
           kilogram_hundred_km_minor = excluded.kilogram_hundred_km_minor,
           late_day_minor = excluded.late_day_minor, batches = excluded.batches,
           stock_prices = excluded.stock_prices, hold_back_minutes = excluded.hold_back_minutes,
           version = excluded.version
    """
).bindparams(bindparam("channel_id", type_=Uuid()))
_FORGET_SITES = text("DELETE FROM channel_location_routing WHERE channel_id = :channel_id").bindparams(
    bindparam("channel_id", type_=Uuid())
)
_ADD_SITES = text(
    """
    INSERT INTO channel_location_routing (channel_id, location_id, parcel_minor, unit_minor, priority,
           countries)
    SELECT :channel_id, location_id, parcel_minor, unit_minor, priority, countries
      FROM jsonb_to_recordset(CAST(:sites AS jsonb)) AS s (location_id uuid, parcel_minor bigint,
           unit_minor bigint, priority int, countries text[])
    """
).bindparams(bindparam("channel_id", type_=Uuid()))


async def of_channel(
    connection: AsyncConnection, channel_id: UUID
) -> tuple[ChannelRouting | None, dict[UUID, SiteTerms]]:
    """Return what a channel says about routing (None: nothing), and what locations cost it."""
    settings = await connection.scalar(_OF, {"channel_id": channel_id})
    rows = await connection.execute(_SITES, {"channel_id": channel_id})
    sites = {
        row.location_id: SiteTerms(
            row.parcel_minor,
            row.unit_minor,
            row.priority,
            None if row.countries is None else tuple(row.countries),
        )
        for row in rows
    }
    return (None if settings is None else settings_of(settings)), sites


async def known_locations(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of these locations that are in use."""
    return {row.id for row in await connection.execute(_KNOWN, {"ids": list(ids)})}


async def save(connection: AsyncConnection, channel_id: UUID, routing: ChannelRouting) -> None:
    """Write the routing of a locked channel."""
    await connection.execute(_SAVE, {"channel_id": channel_id, **asdict(routing)})


async def save_sites(connection: AsyncConnection, channel_id: UUID, sites: Mapping[UUID, SiteTerms]) -> None:
    """Write what locations cost a locked channel, instead of what was written before."""
    await connection.execute(_FORGET_SITES, {"channel_id": channel_id})
    if sites:
        records = [{"location_id": place, **asdict(terms)} for place, terms in sites.items()]
        await connection.execute(_ADD_SITES, {"channel_id": channel_id, "sites": json_text(records)})
