"""SQL of delivery rates: rows in, dataclasses out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.shipping import DeliveryRate, FreeForGroup
from persistence.tables.shipping import delivery_rates

_T = delivery_rates.c
_COLUMNS = (
    _T.id,
    _T.carrier,
    _T.service,
    _T.price_minor,
    _T.countries,
    _T.min_weight_grams,
    _T.max_weight_grams,
    _T.min_value_minor,
    _T.max_value_minor,
    _T.min_days,
    _T.max_days,
    _T.position,
    _T.version,
    _T.zone_id,
    _T.min_volume_ml,
    _T.max_volume_ml,
    _T.included_weight_grams,
    _T.per_kilogram_minor,
    _T.free_from_minor,
    _T.dimensional_divisor,
    _T.free_for_groups,
)
_IN_USE = _T.archived_at.is_(None)
_OF_CHANNEL = (
    select(*_COLUMNS)
    .where(_T.channel_id == bindparam("channel_id"), _IN_USE)
    .order_by(_T.position, _T.price_minor, _T.id)
)
_BY_IDS = select(*_COLUMNS, _T.channel_id).where(_T.id.in_(bindparam("ids", expanding=True)), _IN_USE)
_COUNT = select(func.count()).where(_T.channel_id == bindparam("channel_id"), _IN_USE)
_LOCK = (
    select(*_COLUMNS, _T.channel_id)
    .where(_T.id == bindparam("rate_id"), _IN_USE)
    .with_for_update(key_share=True)
)
_INSERT = insert(delivery_rates)
_UPDATE = update(delivery_rates).where(_T.id == bindparam("rate_id"))


async def create(connection: AsyncConnection, rate: DeliveryRate, channel_id: UUID, now: datetime) -> None:
    """Insert a rate of a channel."""
    await connection.execute(_INSERT, {**_values(rate), "channel_id": channel_id, "created_at": now})


async def save(connection: AsyncConnection, rate: DeliveryRate) -> None:
    """Write every field of a rate that was locked before."""
    values = _values(rate)
    await connection.execute(_UPDATE.values(values), {"rate_id": values.pop("id")})


async def archive(connection: AsyncConnection, rate: DeliveryRate, now: datetime) -> None:
    """Take a rate out of use; orders that were placed with it keep what they were told."""
    changes = {"archived_at": now, "version": rate.version}
    await connection.execute(_UPDATE.values(changes), {"rate_id": rate.id})


async def lock(connection: AsyncConnection, rate_id: UUID) -> tuple[DeliveryRate, UUID] | None:
    """Lock a rate that is in use; returns it and its channel's id."""
    row = (await connection.execute(_LOCK, {"rate_id": rate_id})).first()
    return None if row is None else (_rate(row), row.channel_id)


async def of_channel(connection: AsyncConnection, channel_id: UUID) -> list[DeliveryRate]:
    """Return the rates in use of a channel, in the order they are offered."""
    found = await connection.execute(_OF_CHANNEL, {"channel_id": channel_id})
    return [_rate(row) for row in found]


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, tuple[DeliveryRate, UUID]]:
    """Return rates in use, each with its channel's id, by id."""
    found = await connection.execute(_BY_IDS, {"ids": list(ids)})
    return {row.id: (_rate(row), row.channel_id) for row in found}


async def count(connection: AsyncConnection, channel_id: UUID) -> int:
    """Return how many rates a channel has in use."""
    return int(await connection.scalar(_COUNT, {"channel_id": channel_id}) or 0)


def _rate(row: Row[*tuple[Any, ...]]) -> DeliveryRate:
    countries = None if row.countries is None else frozenset(row.countries)
    rate = DeliveryRate(row.id, row.carrier, row.service, row.price_minor, countries, *row[5:20])
    return replace(rate, free_for_groups=tuple(FreeForGroup(*one) for one in row.free_for_groups))


def _values(rate: DeliveryRate) -> dict[str, Any]:
    return {
        "id": rate.id,
        "carrier": rate.carrier,
        "service": rate.service,
        "price_minor": rate.price_minor,
        "countries": None if rate.countries is None else sorted(rate.countries),
        "min_weight_grams": rate.min_weight_grams,
        "max_weight_grams": rate.max_weight_grams,
        "min_value_minor": rate.min_value_minor,
        "max_value_minor": rate.max_value_minor,
        "min_days": rate.min_days,
        "max_days": rate.max_days,
        "position": rate.position,
        "version": rate.version,
        "zone_id": rate.zone_id,
        "min_volume_ml": rate.min_volume_ml,
        "max_volume_ml": rate.max_volume_ml,
        "included_weight_grams": rate.included_weight_grams,
        "per_kilogram_minor": rate.per_kilogram_minor,
        "free_from_minor": rate.free_from_minor,
        "dimensional_divisor": rate.dimensional_divisor,
        "free_for_groups": [list(one) for one in rate.free_for_groups],
    }
