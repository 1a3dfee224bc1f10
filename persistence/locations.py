"""SQL of locations: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, bindparam, select, text, update
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
_IN_USE = locations.c.archived_at.is_(None)
_ID_OF_CODE = select(locations.c.id).where(locations.c.code == bindparam("code"), _IN_USE)
# Who moves units there must not miss that it is archived.
_SHARE = text(
    "SELECT id FROM locations WHERE id = ANY (:ids) AND archived_at IS NULL ORDER BY id FOR SHARE"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_ALL = select(*_COLUMNS).where(_IN_USE).order_by(locations.c.code)
_LOCK = (
    select(*_COLUMNS)
    .where(locations.c.id == bindparam("location_id"), _IN_USE)
    # Not for the key: who sells from here meanwhile is not kept waiting. Who must not miss an archiving
    # locks FOR SHARE.
    .with_for_update(key_share=True)
)
_SAVE = update(locations).where(locations.c.id == bindparam("location_id"))
# Locked, so that nothing is moved to or from the location while it closes.
_UNITS = text(
    """
    SELECT on_hand + incoming AS units FROM stock_levels WHERE location_id = :location_id
     ORDER BY variant_id FOR NO KEY UPDATE
    """
)
# Any fixed number that no other advisory lock has, taken until the end of the transaction.
_LOCK_SERVING = text("SELECT pg_advisory_xact_lock(7021946333)")
_SERVE_NOBODY = text("DELETE FROM channel_locations WHERE location_id = :location_id")
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


async def lock_serving(connection: AsyncConnection) -> None:
    """Let one transaction at a time decide which locations serve the channels that all serve.

    A channel and a location made side by side would not see each other otherwise.
    """
    await connection.execute(_LOCK_SERVING)


async def serve_open_channels(connection: AsyncConnection, location_id: UUID) -> None:
    """Let a new location serve every channel that is served by all of them."""
    await connection.execute(_SERVE_CHANNELS, {"location_id": location_id})


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Location]:
    """Return locations by id, archived ones too (old orders name them)."""
    return {row.id: location(row) for row in await connection.execute(_BY_IDS, {"ids": list(ids)})}


async def id_of_code(connection: AsyncConnection, code: str) -> UUID | None:
    """Return the id of the location in use that has this code."""
    found: UUID | None = await connection.scalar(_ID_OF_CODE, {"code": code})
    return found


async def share(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Keep locations from being archived until the commit; returns those that are in use."""
    return {row.id for row in await connection.execute(_SHARE, {"ids": list(ids)})}


async def list_all(connection: AsyncConnection) -> list[Location]:
    """Return every location that is not archived, by code."""
    return [location(row) for row in await connection.execute(_ALL)]


async def lock(connection: AsyncConnection, location_id: UUID) -> Location | None:
    """Lock a location that is in use."""
    row = (await connection.execute(_LOCK, {"location_id": location_id})).first()
    return None if row is None else location(row)


async def save(connection: AsyncConnection, changed: Location) -> None:
    """Write a location that was locked before."""
    values = {
        "name": changed.name,
        "address": changed.address and changed.address.to_json(),
        "version": changed.version,
    }
    await connection.execute(_SAVE.values(values), {"location_id": changed.id})


async def lock_units(connection: AsyncConnection, location_id: UUID) -> int:
    """Lock every stock level of a location; returns the units there and on their way to it."""
    rows = await connection.execute(_UNITS, {"location_id": location_id})
    return sum(row.units for row in rows)


async def archive(connection: AsyncConnection, gone: Location, now: datetime) -> None:
    """Archive a location that was locked before, and let it serve no channel."""
    await connection.execute(
        _SAVE.values({"archived_at": now, "version": gone.version}), {"location_id": gone.id}
    )
    await connection.execute(_SERVE_NOBODY, {"location_id": gone.id})


def location(row: Row[*tuple[Any, ...]]) -> Location:
    """Return the location of a row that has all its columns."""
    address = None if row.address is None else Address.from_json(row.address)
    return Location(row.id, row.code, row.name, address, row.version)
