"""SQL of gift cards and store credit: a balance changes in the statement that writes its movement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stored_values import MovementKind, StoredValue, StoredValueKind

COLUMNS = """
    s.id, s.kind, s.currency, s.balance_minor, s.version, s.created_at, s.last_characters, s.email,
    s.expires_at, s.disabled_at, s.note
"""
"""The columns of a stored value `s` that `stored_value_of` reads."""

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_MOMENTS = [bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "expires_at")]
_BY_IDS = text(f"SELECT {COLUMNS} FROM stored_values s WHERE s.id = ANY (:ids)").bindparams(_IDS)
_BY_CODE = text(f"SELECT {COLUMNS} FROM stored_values s WHERE s.code_hash = :code_hash")
_BY_EMAIL = text(
    f"""
    SELECT {COLUMNS} FROM stored_values s
     WHERE s.kind = 'STORE_CREDIT' AND s.email = lower(:email) AND s.currency = :currency
    """
)
_CREATE_CARD = text(
    f"""
    WITH s AS (
        INSERT INTO stored_values (id, kind, code_hash, last_characters, currency, balance_minor, note,
                                   created_at, expires_at)
        VALUES (:id, 'GIFT_CARD', :code_hash, :last_characters, :currency, :amount_minor, :note, :now,
                :expires_at)
        RETURNING *
    ), moved AS (
        INSERT INTO stored_value_movements (stored_value_id, kind, amount_minor, reason, actor, occurred_at)
        SELECT id, 'ISSUED', :amount_minor, :note, :actor, :now FROM s
    )
    SELECT {COLUMNS} FROM s
    """
).bindparams(*_MOMENTS, bindparam("note", type_=Text()), bindparam("amount_minor", type_=BigInteger()))
_ISSUE_CREDIT = text(
    f"""
    WITH s AS (
        INSERT INTO stored_values (id, kind, email, currency, balance_minor, created_at)
        VALUES (:id, 'STORE_CREDIT', lower(:email), :currency, :amount_minor, :now)
        ON CONFLICT (email, currency) WHERE kind = 'STORE_CREDIT'
        DO UPDATE SET balance_minor = stored_values.balance_minor + excluded.balance_minor,
                      version = stored_values.version + 1
        RETURNING *
    ), moved AS (
        INSERT INTO stored_value_movements (stored_value_id, kind, amount_minor, reason, actor, occurred_at)
        SELECT id, 'ISSUED', :amount_minor, :reason, :actor, :now FROM s
    )
    SELECT {COLUMNS} FROM s
    """
).bindparams(_MOMENTS[0], bindparam("amount_minor", type_=BigInteger()))
_LOCK = text(f"SELECT {COLUMNS} FROM stored_values s WHERE s.id = :id FOR NO KEY UPDATE")
_LOCK_BY_EMAIL = text(f"{_BY_EMAIL.text} FOR NO KEY UPDATE")
_ADJUST = text(
    f"""
    WITH s AS (
        UPDATE stored_values SET balance_minor = balance_minor + :amount_minor, version = version + 1
         WHERE id = :id RETURNING *
    ), moved AS (
        INSERT INTO stored_value_movements (stored_value_id, kind, amount_minor, reason, actor, occurred_at)
        SELECT id, 'ADJUSTED', :amount_minor, :reason, :actor, :now FROM s
    )
    SELECT {COLUMNS} FROM s
    """
).bindparams(_MOMENTS[0], bindparam("amount_minor", type_=BigInteger()))
_DISABLE = text(
    "UPDATE stored_values SET disabled_at = :now, version = version + 1 WHERE id = :id"
).bindparams(_MOMENTS[0])
# A row that somebody has locked is being paid with: the next sweep takes what is left of it.
_EXPIRE = text(
    f"""
    WITH due AS MATERIALIZED (
        SELECT id, balance_minor FROM stored_values
         WHERE expires_at IS NOT NULL AND balance_minor > 0 AND expires_at <= :now
         ORDER BY expires_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    ), moved AS (
        INSERT INTO stored_value_movements (stored_value_id, kind, amount_minor, actor, occurred_at)
        SELECT id, 'EXPIRED', -balance_minor, :actor, :now FROM due
    ), s AS (
        UPDATE stored_values v SET balance_minor = 0, version = v.version + 1
          FROM due WHERE v.id = due.id
        RETURNING v.*, due.balance_minor AS expired_minor
    )
    SELECT {COLUMNS}, s.expired_minor FROM s
    """
).bindparams(_MOMENTS[0])
_MOVEMENTS = text(
    """
    SELECT m.stored_value_id, m.id, m.kind, m.amount_minor, m.reason, m.actor, m.occurred_at, p.order_id
      FROM unnest(:ids) AS wanted (id)
     CROSS JOIN LATERAL (SELECT * FROM stored_value_movements n WHERE n.stored_value_id = wanted.id
                          ORDER BY n.id DESC LIMIT :most) m
      LEFT JOIN payments p ON p.id = m.payment_id
     ORDER BY m.id DESC
    """
).bindparams(_IDS)
_PAGE = text(
    f"""
    SELECT {COLUMNS} FROM stored_values s
     WHERE s.kind = 'GIFT_CARD' AND (:last_characters IS NULL OR s.last_characters = :last_characters)
       AND (:after_id IS NULL OR (s.created_at, s.id) < (:after_created_at, :after_id))
     ORDER BY s.created_at DESC, s.id DESC LIMIT :limit
    """
).bindparams(
    bindparam("last_characters", type_=Text()),
    bindparam("after_created_at", type_=DateTime(timezone=True)),
    bindparam("after_id", type_=Uuid()),
)
_COUNT = text(
    """
    SELECT (SELECT count(*) FROM stored_values) AS balances,
           (SELECT count(*) FROM stored_value_movements) AS movements
    """
)
_UNEXPLAINED = text(
    """
    SELECT s.id, s.balance_minor, coalesce(sum(m.amount_minor), 0)::bigint AS moved_minor
      FROM stored_values s LEFT JOIN stored_value_movements m ON m.stored_value_id = s.id
     GROUP BY s.id HAVING s.balance_minor <> coalesce(sum(m.amount_minor), 0)
     ORDER BY s.id LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of a balance; `amount_minor` is below zero for what went."""

    id: int
    kind: MovementKind
    amount_minor: int
    reason: str | None
    actor: str
    occurred_at: datetime
    order_id: UUID | None


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, StoredValue]:
    """Return stored values by id."""
    return {row.id: stored_value_of(row) for row in await connection.execute(_BY_IDS, {"ids": list(ids)})}


async def by_code(connection: AsyncConnection, code_hash: bytes) -> StoredValue | None:
    """Return the gift card whose code has this hash."""
    return _first((await connection.execute(_BY_CODE, {"code_hash": code_hash})).first())


async def by_email(connection: AsyncConnection, email: str, currency: str) -> StoredValue | None:
    """Return a customer's store credit in a currency, however the address is capitalised."""
    return _first((await connection.execute(_BY_EMAIL, {"email": email, "currency": currency})).first())


async def lock(connection: AsyncConnection, stored_value_id: UUID) -> StoredValue | None:
    """Lock a stored value and return it."""
    return _first((await connection.execute(_LOCK, {"id": stored_value_id})).first())


async def lock_by_email(connection: AsyncConnection, email: str, currency: str) -> StoredValue | None:
    """Lock a customer's store credit in a currency and return it."""
    return _first((await connection.execute(_LOCK_BY_EMAIL, {"email": email, "currency": currency})).first())


async def create_card(
    connection: AsyncConnection, card: StoredValue, code_hash: bytes, *, actor: str
) -> StoredValue:
    """Insert a gift card with what it is worth."""
    values = {
        "id": card.id,
        "code_hash": code_hash,
        "last_characters": card.last_characters,
        "currency": card.currency,
        "amount_minor": card.balance_minor,
        "note": card.note,
        "now": card.created_at,
        "expires_at": card.expires_at,
        "actor": actor,
    }
    return stored_value_of((await connection.execute(_CREATE_CARD, values)).one())


async def issue_credit(
    connection: AsyncConnection,
    new_id: UUID,
    email: str,
    currency: str,
    amount_minor: int,
    reason: str,
    *,
    actor: str,
    now: datetime,
) -> StoredValue:
    """Add to a customer's store credit; `new_id` is its id where they had none in this currency."""
    values = {
        "id": new_id,
        "email": email,
        "currency": currency,
        "amount_minor": amount_minor,
        "reason": reason,
        "actor": actor,
        "now": now,
    }
    return stored_value_of((await connection.execute(_ISSUE_CREDIT, values)).one())


async def adjust(
    connection: AsyncConnection,
    stored_value_id: UUID,
    amount_minor: int,
    reason: str,
    *,
    actor: str,
    now: datetime,
) -> StoredValue:
    """Change a locked balance by an amount that leaves it at zero or above."""
    values = {
        "id": stored_value_id,
        "amount_minor": amount_minor,
        "reason": reason,
        "actor": actor,
        "now": now,
    }
    return stored_value_of((await connection.execute(_ADJUST, values)).one())


async def disable(connection: AsyncConnection, stored_value_id: UUID, now: datetime) -> None:
    """Let nothing be paid with a locked stored value from now on."""
    await connection.execute(_DISABLE, {"id": stored_value_id, "now": now})


async def expire(
    connection: AsyncConnection, *, most: int, actor: str, now: datetime
) -> list[tuple[StoredValue, int]]:
    """Empty up to `most` balances whose time is over; returns each with what it lost, in minor units."""
    rows = await connection.execute(_EXPIRE, {"most": most, "actor": actor, "now": now})
    return [(stored_value_of(row), row.expired_minor) for row in rows]


async def movements_of(
    connection: AsyncConnection, ids: Sequence[UUID], most: int
) -> dict[UUID, list[Movement]]:
    """Return the newest `most` movements of each stored value, the newest first."""
    found: dict[UUID, list[Movement]] = {}
    for row in await connection.execute(_MOVEMENTS, {"ids": list(ids), "most": most}):
        movement = Movement(
            row.id,
            MovementKind(row.kind),
            row.amount_minor,
            row.reason,
            row.actor,
            row.occurred_at,
            row.order_id,
        )
        found.setdefault(row.stored_value_id, []).append(movement)
    return found


async def page(
    connection: AsyncConnection,
    last_characters: str | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[StoredValue]:
    """Return up to `limit` gift cards, newest first; `after` is the key of the one before the page."""
    after_created_at, after_id = after or (None, None)
    values = {
        "last_characters": last_characters,
        "limit": limit,
        "after_created_at": after_created_at,
        "after_id": after_id,
    }
    return [stored_value_of(row) for row in await connection.execute(_PAGE, values)]


async def count(connection: AsyncConnection) -> tuple[int, int]:
    """Return how many balances there are, and how many movements."""
    row = (await connection.execute(_COUNT)).one()
    return row.balances, row.movements


async def unexplained(connection: AsyncConnection, *, most: int) -> list[tuple[UUID, int, int]]:
    """Return balances that are not the sum of their movements, with both: there must be none."""
    return [tuple(row) for row in await connection.execute(_UNEXPLAINED, {"most": most})]


def stored_value_of(row: Row[*tuple[Any, ...]]) -> StoredValue:
    """Return the stored value of a row with its columns."""
    return StoredValue(
        row.id,
        StoredValueKind(row.kind),
        row.currency,
        row.balance_minor,
        row.version,
        row.created_at,
        row.last_characters,
        row.email,
        row.expires_at,
        row.disabled_at,
        row.note,
    )


def _first(row: Row[*tuple[Any, ...]] | None) -> StoredValue | None:
    return None if row is None else stored_value_of(row)
