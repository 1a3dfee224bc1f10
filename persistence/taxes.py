"""SQL of tax rates: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Numeric, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.taxes import TaxRate

_COLUMNS = """t.id, t.channel_id, t.country, t.name, CAST(t.percent * 10000 AS int) AS parts, t.tax_class,
           t.region, t.valid_from, t.valid_until, t.applies_to_shipping, t.version"""
_OF_CHANNEL = text(
    f"""
    SELECT {_COLUMNS} FROM tax_rates t
     WHERE t.channel_id = :channel_id AND t.country = coalesce(:country, t.country)
     ORDER BY t.country, t.region NULLS FIRST, t.tax_class, t.name, t.valid_from NULLS FIRST
    """
).bindparams(bindparam("country", type_=Text()))
_COUNT = text("SELECT count(*) FROM tax_rates WHERE channel_id = :channel_id")
# Locked or not there: an insert of the same by somebody else meanwhile is found by the upsert.
_LOCK_SAME = text(
    f"""
    SELECT {_COLUMNS} FROM tax_rates t
     WHERE t.channel_id = :channel_id AND t.country = :country AND t.tax_class = :tax_class
       AND t.name = :name AND t.region IS NOT DISTINCT FROM :region
       AND t.valid_from IS NOT DISTINCT FROM :valid_from
       FOR NO KEY UPDATE
    """
).bindparams(bindparam("region", type_=Text()), bindparam("valid_from", type_=DateTime(timezone=True)))
_SET = text(
    f"""
    INSERT INTO tax_rates AS t (id, channel_id, country, region, tax_class, name, percent, valid_from,
                                valid_until, applies_to_shipping, created_at)
    VALUES (:id, :channel_id, :country, :region, :tax_class, :name, :percent, :valid_from, :valid_until,
            :applies_to_shipping, :now)
    ON CONFLICT (channel_id, country, region, tax_class, name, valid_from)
    DO UPDATE SET percent = excluded.percent, valid_until = excluded.valid_until,
                  applies_to_shipping = excluded.applies_to_shipping, version = t.version + 1
    RETURNING {_COLUMNS}
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("region", type_=Text()),
    bindparam("percent", type_=Numeric(7, 4)),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("valid_from", "valid_until", "now")),
)
_DELETE = text(f"DELETE FROM tax_rates t WHERE t.id = :id RETURNING {_COLUMNS}")


async def of_channel(
    connection: AsyncConnection, channel_id: UUID, country: str | None = None
) -> Sequence[TaxRate]:
    """Return the rates of a channel (of one country), by country, region, class and name."""
    found = await connection.execute(_OF_CHANNEL, {"channel_id": channel_id, "country": country})
    return [_rate(row) for row in found]


async def count(connection: AsyncConnection, channel_id: UUID) -> int:
    """Return how many rates a channel has."""
    return int(await connection.scalar(_COUNT, {"channel_id": channel_id}) or 0)


async def lock_same(connection: AsyncConnection, channel_id: UUID, rate: TaxRate) -> TaxRate | None:
    """Lock the rate that stands for the same: one name, place, class and beginning."""
    row = (await connection.execute(_LOCK_SAME, _identity(channel_id, rate))).first()
    return None if row is None else _rate(row)


async def put(connection: AsyncConnection, channel_id: UUID, rate: TaxRate, now: datetime) -> TaxRate:
    """Insert a rate, or change the one that stands for the same; returns it as it is then."""
    values = {
        **_identity(channel_id, rate),
        "id": rate.id,
        "percent": Decimal(rate.parts_per_million).scaleb(-4),
        "valid_until": rate.valid_until,
        "applies_to_shipping": rate.applies_to_shipping,
        "now": now,
    }
    return _rate((await connection.execute(_SET, values)).one())


async def delete(connection: AsyncConnection, rate_id: UUID) -> tuple[TaxRate, UUID] | None:
    """Delete a rate; returns what it was and its channel's id, None when there is none."""
    row = (await connection.execute(_DELETE, {"id": rate_id})).first()
    return None if row is None else (_rate(row), row.channel_id)


def _identity(channel_id: UUID, rate: TaxRate) -> dict[str, Any]:
    return {
        "channel_id": channel_id,
        "country": rate.country,
        "region": rate.region,
        "tax_class": rate.tax_class,
        "name": rate.name,
        "valid_from": rate.valid_from,
    }


def _rate(row: Row[*tuple[Any, ...]]) -> TaxRate:
    return TaxRate(
        row.id,
        row.country,
        row.name,
        row.parts,
        row.tax_class,
        row.region,
        row.valid_from,
        row.valid_until,
        row.applies_to_shipping,
        row.version,
    )
