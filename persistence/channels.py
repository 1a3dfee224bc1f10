"""SQL of channels: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.channels import CapturePolicy, Channel, ChannelSettings
from domain.taxes import TaxRounding, TaxSource
from persistence.tables.channels import channel_locations, channels

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


_LOCATIONS_BY_CODE = text(
    """
    SELECT code, id FROM locations WHERE code = ANY (:codes) AND archived_at IS NULL
     ORDER BY id FOR SHARE
    """
)
_SETTINGS = """
    SELECT c.id, c.slug, c.name, c.currency, c.version, c.locale, c.review_from_minor, c.capture_policy,
           c.serves_all_locations, c.prices_include_tax, c.tax_rounding, c.hold_unpaid,
           c.payment_terms_days, c.tax_source, c.storefront_url, c.reply_to, c.time_zone,
           c.muted_notifications,
           ARRAY(SELECT l.code FROM channel_locations s JOIN locations l ON l.id = s.location_id
                  WHERE s.channel_id = c.id ORDER BY s.rank, l.code) AS codes
      FROM channels c
"""
_SETTINGS_OF = text(_SETTINGS + "WHERE c.id = ANY (:ids)")
_LOCK = text(_SETTINGS + "WHERE c.id = :id AND c.archived_at IS NULL FOR NO KEY UPDATE OF c")
_SAVE = text(
    """
    UPDATE channels SET name = :name, locale = :locale, review_from_minor = :review_from_minor,
           capture_policy = :capture_policy, serves_all_locations = :serves_all_locations,
           prices_include_tax = :prices_include_tax, tax_rounding = :tax_rounding,
           hold_unpaid = :hold_unpaid, payment_terms_days = :payment_terms_days,
           tax_source = :tax_source, storefront_url = :storefront_url, reply_to = :reply_to,
           time_zone = :time_zone, muted_notifications = :muted_notifications, version = :version
     WHERE id = :id
    """
)
_CAPTURE_POLICY = text("SELECT capture_policy FROM channels WHERE id = :id")
_ARCHIVE = text("UPDATE channels SET archived_at = :now, version = :version WHERE id = :id")
_FORGET_LOCATIONS = text("DELETE FROM channel_locations WHERE channel_id = :id")


async def create(
    connection: AsyncConnection,
    channel: Channel,
    *,
    serves_all_locations: bool,
    capture_policy: CapturePolicy,
    payment_terms_days: int | None = None,
    now: datetime,
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
            capture_policy=capture_policy.value,
            payment_terms_days=payment_terms_days,
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
    """Return the ids of the locations that are in use, by code; they stay so until the transaction ends."""
    found = await connection.execute(_LOCATIONS_BY_CODE, {"codes": list(codes)})
    return {row.code: row.id for row in found}


async def capture_policy_of(connection: AsyncConnection, channel_id: UUID) -> CapturePolicy:
    """Return when a channel, archived or not, captures what its orders have reserved."""
    return CapturePolicy(await connection.scalar(_CAPTURE_POLICY, {"id": channel_id}))


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


async def lock(connection: AsyncConnection, channel_id: UUID) -> tuple[Channel, ChannelSettings] | None:
    """Lock a channel that is in use; returns it and its settings."""
    row = (await connection.execute(_LOCK, {"id": channel_id})).first()
    return None if row is None else (_channel(row), _settings(row))


async def settings_of(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, ChannelSettings]:
    """Return the settings of channels by id."""
    return {row.id: _settings(row) for row in await connection.execute(_SETTINGS_OF, {"ids": list(ids)})}


async def save(connection: AsyncConnection, channel: Channel, settings: ChannelSettings) -> None:
    """Write a channel that was locked before; its locations are written on their own."""
    values = {
        "id": channel.id,
        "name": channel.name,
        "version": channel.version,
        "locale": settings.locale,
        "review_from_minor": settings.review_from_minor,
        "capture_policy": settings.capture_policy.value,
        "serves_all_locations": settings.serves_all_locations,
        "prices_include_tax": settings.prices_include_tax,
        "tax_rounding": settings.tax_rounding.value,
        "hold_unpaid": settings.hold_unpaid,
        "payment_terms_days": settings.payment_terms_days,
        "tax_source": settings.tax_source.value,
        "storefront_url": settings.storefront_url,
        "reply_to": settings.reply_to,
        "time_zone": settings.time_zone,
        "muted_notifications": list(settings.muted_notifications),
    }
    await connection.execute(_SAVE, values)


async def forget_locations(connection: AsyncConnection, channel_id: UUID) -> None:
    """Let no location serve a channel any more, before others are named."""
    await connection.execute(_FORGET_LOCATIONS, {"id": channel_id})


async def archive(connection: AsyncConnection, channel: Channel, now: datetime) -> None:
    """Archive a channel that was locked before."""
    values = {"id": channel.id, "version": channel.version, "now": now}
    await connection.execute(_ARCHIVE, values)


def _settings(row: Row[*tuple[Any, ...]]) -> ChannelSettings:
    return ChannelSettings(
        row.locale,
        row.review_from_minor,
        row.serves_all_locations,
        tuple(row.codes),
        CapturePolicy(row.capture_policy),
        row.prices_include_tax,
        TaxRounding(row.tax_rounding),
        row.hold_unpaid,
        row.payment_terms_days,
        TaxSource(row.tax_source),
        row.storefront_url,
        row.reply_to,
        row.time_zone,
        tuple(row.muted_notifications),
    )


def _channel(row: Row[*tuple[Any, ...]]) -> Channel:
    return Channel(row.id, row.slug, row.name, row.currency, row.version)
