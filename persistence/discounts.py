"""SQL of discounts as staff keep them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, DateTime, Row, Text, Uuid, bindparam, insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.discounts import Discount, DiscountKind
from persistence.tables.discounts import discounts

_COLUMNS = """d.id, d.channel_id, d.kind, d.name, d.code, d.basis_points, d.amount_minor, d.buy_quantity,
           d.get_quantity, d.minimum_subtotal_minor, d.skus, d.starts_at, d.ends_at, d.usage_limit,
           d.usage_limit_per_customer, d.combinable, d.priority, d.active, d.used, d.version, d.created_at"""
_LOCK = text(f"SELECT {_COLUMNS} FROM discounts d WHERE d.id = :id FOR NO KEY UPDATE")
_CODE_TAKEN = text("SELECT 1 FROM discounts WHERE channel_id = :channel_id AND lower(code) = lower(:code)")
_AUTOMATIC = text("SELECT count(*) FROM discounts WHERE channel_id = :channel_id AND code IS NULL AND active")
# Two that make discounts of one channel at once wait for each other: its limits and codes hold.
_LOCK_CHANNEL = text("SELECT 1 FROM channels WHERE id = :channel_id FOR NO KEY UPDATE")
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM discounts d
     WHERE (:channel_id IS NULL OR d.channel_id = :channel_id)
       AND (:active IS NULL OR d.active = :active)
       AND (:code IS NULL OR lower(d.code) = lower(:code))
       AND (:after_id IS NULL OR (d.created_at, d.id) < (:after_at, :after_id))
     ORDER BY d.created_at DESC, d.id DESC LIMIT :limit
    """
).bindparams(
    bindparam("channel_id", type_=Uuid()),
    bindparam("active", type_=Boolean()),
    bindparam("code", type_=Text()),
    bindparam("after_id", type_=Uuid()),
    bindparam("after_at", type_=DateTime(timezone=True)),
)


async def lock_channel(connection: AsyncConnection, channel_id: UUID) -> None:
    """Let one transaction at a time add discounts to a channel."""
    await connection.execute(_LOCK_CHANNEL, {"channel_id": channel_id})


async def is_code_taken(connection: AsyncConnection, channel_id: UUID, code: str) -> bool:
    """Say whether a channel has a discount of this code, in whatever letters."""
    return bool(await connection.scalar(_CODE_TAKEN, {"channel_id": channel_id, "code": code}))


async def count_automatic(connection: AsyncConnection, channel_id: UUID) -> int:
    """Return how many active discounts of a channel apply by themselves."""
    return int(await connection.scalar(_AUTOMATIC, {"channel_id": channel_id}) or 0)


async def create(connection: AsyncConnection, one: Discount, channel_id: UUID, now: datetime) -> None:
    """Insert a discount of a channel."""
    await connection.execute(
        insert(discounts), {**_values(one), "id": one.id, "channel_id": channel_id, "created_at": now}
    )


async def lock(connection: AsyncConnection, discount_id: UUID) -> tuple[Discount, UUID] | None:
    """Lock a discount, so that nobody uses it meanwhile; returns it and its channel's id."""
    row = (await connection.execute(_LOCK, {"id": discount_id})).first()
    return None if row is None else (discount(row), row.channel_id)


async def save(connection: AsyncConnection, one: Discount) -> None:
    """Write a discount that was locked before; how often it is used is not written."""
    await connection.execute(update(discounts).where(discounts.c.id == one.id).values(_values(one)))


async def page(
    connection: AsyncConnection,
    limit: int,
    after: tuple[datetime, UUID] | None,
    *,
    channel_id: UUID | None,
    active: bool | None,
    code: str | None,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return up to `limit` discounts, newest first; `discount` reads a row, which has created_at too."""
    values = {
        "limit": limit,
        "channel_id": channel_id,
        "active": active,
        "code": code,
        "after_at": after and after[0],
        "after_id": after and after[1],
    }
    return (await connection.execute(_PAGE, values)).all()


def discount(row: Row[*tuple[Any, ...]]) -> Discount:
    """Return the discount of a row that has all its columns."""
    return Discount(
        row.id,
        DiscountKind(row.kind),
        row.name,
        row.code,
        row.basis_points,
        row.amount_minor,
        row.buy_quantity,
        row.get_quantity,
        row.minimum_subtotal_minor,
        None if row.skus is None else frozenset(row.skus),
        row.starts_at,
        row.ends_at,
        row.usage_limit,
        row.usage_limit_per_customer,
        row.combinable,
        row.priority,
        row.active,
        row.used,
        row.version,
    )


def _values(one: Discount) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "name": one.name,
        "code": one.code,
        "basis_points": one.basis_points,
        "amount_minor": one.amount_minor,
        "buy_quantity": one.buy_quantity,
        "get_quantity": one.get_quantity,
        "minimum_subtotal_minor": one.minimum_subtotal_minor,
        "skus": None if one.skus is None else sorted(one.skus),
        "starts_at": one.starts_at,
        "ends_at": one.ends_at,
        "usage_limit": one.usage_limit,
        "usage_limit_per_customer": one.usage_limit_per_customer,
        "combinable": one.combinable,
        "priority": one.priority,
        "active": one.active,
        "version": one.version,
    }
