"""SQL of locations: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.locations import Location
from persistence.tables.locations import locations

_COLUMNS = (
    locations.c.id,
    locations.c.code,
    locations.c.name,
    locations.c.address,
    locations.c.version,
)
_BY_IDS = select(*_COLUMNS).where(locations.c.id.in_(bindparam("ids", expanding=True)))
# Channels that every location serves get a new one too, as their least preferred.
_SERVE_CHANNELS = text(
    """
    INSERT INTO channel_locations (channel_id, location_id, rank)
    SELECT c.id, :location_id,
           coalesce((SELECT max(rank) + 1 FROM channel_locations l WHERE l.channel_id = c.id), 0)
      FROM channels c WHERE c.serves_all_locations AND c.archived_at IS NULL
    ON CONFLICT DO NOTHING
    """
)


async def create(connection: AsyncConnection, location: Location, now: datetime) -> bool:
    """Insert a location; False when its code is taken."""
    statement = (
        insert(locations)
        .values(
            id=location.id,
            code=location.code,
            name=location.name,
            address=location.address and location.address.to_json(),
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["code"])
        .returning(locations.c.id)
    )
    return (await connection.execute(statement)).first() is not None


async def serve_open_channels(connection: AsyncConnection, location_id: UUID) -> None:
    """Let a new location serve every channel that is served by all of them."""
    await connection.execute(_SERVE_CHANNELS, {"location_id": location_id})


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Location]:
    """Return locations by id, archived ones too (old orders name them)."""
    return {row.id: location(row) for row in await connection.execute(_BY_IDS, {"ids": list(ids)})}


def location(row: Row[*tuple[Any, ...]]) -> Location:
    """Return the location of a row that has all its columns."""
    address = None if row.address is None else Address.from_json(row.address)
    return Location(row.id, row.code, row.name, address, row.version)
