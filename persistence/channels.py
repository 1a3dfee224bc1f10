"""SQL of channels: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.channels import Channel
from persistence.tables.channels import channel_locations, channels
from persistence.tables.locations import locations

_COLUMNS = (
    channels.c.id,
    channels.c.slug,
    channels.c.name,
    channels.c.currency,
    channels.c.version,
)
_ALL = select(*_COLUMNS).where(channels.c.archived_at.is_(None)).order_by(channels.c.slug)
_BY_SLUG = select(*_COLUMNS).where(channels.c.slug == bindparam("slug"), channels.c.archived_at.is_(None))
_SERVE_FROM_ALL = text(
    """
    INSERT INTO channel_locations (channel_id, location_id, rank)
    SELECT :channel_id, id, row_number() OVER (ORDER BY code) - 1
      FROM locations WHERE archived_at IS NULL
    """
)


async def create(
    connection: AsyncConnection, channel: Channel, *, serves_all_locations: bool, now: datetime
) -> bool:
    """Insert a channel; False when its slug is taken."""
    statement = (
        upsert(channels)
        .values(
            id=channel.id,
            slug=channel.slug,
            name=channel.name,
            currency=channel.currency,
            serves_all_locations=serves_all_locations,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["slug"])
        .returning(channels.c.id)
    )
    return (await connection.execute(statement)).first() is not None


async def serve_from(connection: AsyncConnection, channel_id: UUID, location_ids: Sequence[UUID]) -> None:
    """Name the locations that serve a channel, most preferred first."""
    if location_ids:
        await connection.execute(
            insert(channel_locations),
            [
                {"channel_id": channel_id, "location_id": location_id, "rank": rank}
                for rank, location_id in enumerate(location_ids)
            ],
        )


async def serve_from_all(connection: AsyncConnection, channel_id: UUID) -> None:
    """Let every location serve a channel, in the order of their codes."""
    await connection.execute(_SERVE_FROM_ALL, {"channel_id": channel_id})


async def location_ids_by_code(connection: AsyncConnection, codes: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of the locations that exist and are not archived, by code."""
    statement = select(locations.c.code, locations.c.id).where(
        locations.c.code.in_(codes), locations.c.archived_at.is_(None)
    )
    return {row.code: row.id for row in await connection.execute(statement)}


async def list_all(connection: AsyncConnection) -> list[Channel]:
    """Return every channel that is not archived, by slug."""
    return [_channel(row) for row in await connection.execute(_ALL)]


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Channel]:
    """Return channels by id, archived ones too (old orders name them)."""
    rows = await connection.execute(select(*_COLUMNS).where(channels.c.id.in_(ids)))
    return {row.id: _channel(row) for row in rows}


async def by_slug(connection: AsyncConnection, slug: str) -> Channel | None:
    """Return the channel with this slug, unless it is archived."""
    row = (await connection.execute(_BY_SLUG, {"slug": slug})).first()
    return _channel(row) if row else None


async def by_slugs(connection: AsyncConnection, slugs: Sequence[str]) -> dict[str, Channel]:
    """Return channels by slug, unless they are archived."""
    statement = select(*_COLUMNS).where(channels.c.slug.in_(slugs), channels.c.archived_at.is_(None))
    return {row.slug: _channel(row) for row in await connection.execute(statement)}


def _channel(row: Row[*tuple[Any, ...]]) -> Channel:
    return Channel(row.id, row.slug, row.name, row.currency, row.version)
