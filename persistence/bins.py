"""SQL of bins, and of which goods lie in them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.bins import Bin
from domain.catalog import VariantRef

_SAVE = text(
    """
    INSERT INTO bins AS b (id, location_id, code, zone, position, created_at)
    VALUES (:id, :location_id, :code, :zone, :position, :now)
    ON CONFLICT (location_id, code) DO UPDATE SET zone = excluded.zone, position = excluded.position,
           version = b.version + CASE WHEN (b.zone, b.position) = (excluded.zone, excluded.position)
                                      THEN 0 ELSE 1 END
    RETURNING id, location_id, code, zone, position, version
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("location_id", type_=Uuid()),
    bindparam("now", type_=DateTime(timezone=True)),
)
# What is the same is not written, and not returned.
_SAVE_ALL = text(
    """
    INSERT INTO bins AS b (id, location_id, code, zone, position, created_at)
    SELECT w.id, w.location_id, w.code, w.zone, w.position, :now
      FROM unnest(:ids, :location_ids, :codes, :zones, :positions)
           WITH ORDINALITY AS w (id, location_id, code, zone, position, at)
     ORDER BY w.at
    ON CONFLICT (location_id, code) DO UPDATE SET zone = excluded.zone, position = excluded.position,
           version = b.version + 1
     WHERE (b.zone, b.position) <> (excluded.zone, excluded.position)
    RETURNING id, location_id, code, zone, position, version
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("location_ids", type_=ARRAY(Uuid)),
    bindparam("codes", type_=ARRAY(Text)),
    bindparam("zones", type_=ARRAY(Text)),
    bindparam("positions", type_=ARRAY(Integer)),
    bindparam("now", type_=DateTime(timezone=True)),
)
_OF_LOCATION = text(
    """
    SELECT id, location_id, code, zone, position, version FROM bins
     WHERE location_id = :location_id AND code > :after ORDER BY code LIMIT :most
    """
).bindparams(bindparam("location_id", type_=Uuid()))
_NAMED = text(
    """
    SELECT id, location_id, code, zone, position, version FROM bins
     WHERE location_id = :location_id AND code = ANY (:codes) ORDER BY zone, position, code
    """
).bindparams(bindparam("location_id", type_=Uuid()), bindparam("codes", type_=ARRAY(Text)))
# Locked, so that two who say where it lies do not mix.
_VARIANT = text("SELECT id FROM variants WHERE id = :id OR sku = :sku FOR NO KEY UPDATE").bindparams(
    bindparam("id", type_=Uuid()), bindparam("sku", type_=Text())
)
_PLACE = text(
    """
    WITH gone AS (
        DELETE FROM variant_bins vb USING bins b
         WHERE b.id = vb.bin_id AND b.location_id = :location_id AND vb.variant_id = :variant_id
           AND NOT vb.bin_id = ANY (:bin_ids)
    )
    INSERT INTO variant_bins (variant_id, bin_id, preferred)
    SELECT :variant_id, one, one = :preferred FROM unnest(CAST(:bin_ids AS uuid[])) AS one
    ON CONFLICT (variant_id, bin_id) DO UPDATE SET preferred = excluded.preferred
    """
).bindparams(
    bindparam("location_id", type_=Uuid()),
    bindparam("variant_id", type_=Uuid()),
    bindparam("preferred", type_=Uuid()),
    bindparam("bin_ids", type_=ARRAY(Uuid)),
)


async def save(connection: AsyncConnection, wanted: Bin, now: datetime) -> Bin:
    """Write a bin under its location and code, and return it; what is the same keeps its version."""
    values = {
        "id": wanted.id,
        "location_id": wanted.location_id,
        "code": wanted.code,
        "zone": wanted.zone,
        "position": wanted.position,
        "now": now,
    }
    return Bin(*(await connection.execute(_SAVE, values)).one())


async def save_all(connection: AsyncConnection, wanted: Sequence[Bin], now: datetime) -> list[Bin]:
    """Write bins under their locations and codes, in their order; returns those that are new or changed."""
    values = {
        "ids": [one.id for one in wanted],
        "location_ids": [one.location_id for one in wanted],
        "codes": [one.code for one in wanted],
        "zones": [one.zone for one in wanted],
        "positions": [one.position for one in wanted],
        "now": now,
    }
    return [Bin(*row) for row in await connection.execute(_SAVE_ALL, values)]


async def page(connection: AsyncConnection, location_id: UUID, after: str, most: int) -> list[Bin]:
    """Return bins of a location whose code comes after another, by code."""
    values = {"location_id": location_id, "after": after, "most": most}
    return [Bin(*row) for row in await connection.execute(_OF_LOCATION, values)]


async def named(connection: AsyncConnection, location_id: UUID, codes: Sequence[str]) -> list[Bin]:
    """Return the bins of a location that have these codes, in the order of the way."""
    values = {"location_id": location_id, "codes": list(codes)}
    return [Bin(*row) for row in await connection.execute(_NAMED, values)]


async def lock_variant(connection: AsyncConnection, ref: VariantRef) -> UUID | None:
    """Lock a variant, and return its id."""
    found: UUID | None = await connection.scalar(_VARIANT, {"id": ref.id, "sku": ref.sku})
    return found


async def place(
    connection: AsyncConnection,
    location_id: UUID,
    variant_id: UUID,
    bin_ids: Sequence[UUID],
    preferred: UUID | None,
) -> None:
    """Say in which bins of a location a variant lies, instead of those said before."""
    values = {
        "location_id": location_id,
        "variant_id": variant_id,
        "bin_ids": list(bin_ids),
        "preferred": preferred,
    }
    await connection.execute(_PLACE, values)
