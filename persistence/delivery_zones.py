"""SQL of delivery zones: rows in, dataclasses out."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.delivery_zones import DeliveryZone, PostcodeRule
from persistence.archivable import ArchivableRows
from persistence.tables.delivery_zones import delivery_zones

_RATES = text("SELECT count(*) FROM delivery_rates WHERE zone_id = :zone_id AND archived_at IS NULL")
# Shared, so that the zone is not archived meanwhile.
_IN_CHANNEL = text(
    "SELECT id FROM delivery_zones WHERE id = :zone_id AND channel_id = :channel_id AND archived_at IS NULL"
    " FOR SHARE"
)


async def rates(connection: AsyncConnection, zone_id: UUID) -> int:
    """Return how many rates in use are of a zone."""
    return int(await connection.scalar(_RATES, {"zone_id": zone_id}) or 0)


async def is_of_channel(connection: AsyncConnection, zone_id: UUID, channel_id: UUID) -> bool:
    """Say whether a zone in use is a channel's."""
    found = await connection.execute(_IN_CHANNEL, {"zone_id": zone_id, "channel_id": channel_id})
    return found.first() is not None


def _zone(row: Row[*tuple[Any, ...]]) -> DeliveryZone:
    return DeliveryZone(
        row.id,
        row.name,
        frozenset(row.countries),
        frozenset(row.regions),
        _rules(row.postcodes),
        _rules(row.excluded_postcodes),
        row.position,
        row.version,
    )


def _values(zone: DeliveryZone) -> dict[str, Any]:
    return {
        "id": zone.id,
        "name": zone.name,
        "countries": sorted(zone.countries),
        "regions": sorted(zone.regions),
        "postcodes": _packed(zone.postcodes),
        "excluded_postcodes": _packed(zone.excluded_postcodes),
        "position": zone.position,
        "version": zone.version,
    }


def _rules(packed: Sequence[Sequence[Any]]) -> tuple[PostcodeRule, ...]:
    return tuple(PostcodeRule(*record) for record in packed)


def _packed(rules: Sequence[PostcodeRule]) -> list[list[str | None]]:
    return [[rule.country, rule.first, rule.last] for rule in rules]


ROWS: ArchivableRows[DeliveryZone] = ArchivableRows(delivery_zones, _zone, _values, ("position", "id"))
"""Delivery zones of channels, in the order they are tried."""
