"""SQL of customers: their sign-ins, and the orders that are theirs by their address."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.customers import Customer, Session
from domain.kernel.money import Money
from domain.orders import Order
from persistence.orders import ORDER_COLUMNS, order_of

OWN = "o.placed AND lower(o.email) = (SELECT own.email FROM customers own WHERE own.id = :customer_id)"
"""What makes an order `o` a customer's own: drafts are nobody's yet."""
_NOW = bindparam("now", type_=DateTime(timezone=True))
_CUSTOMER_ID = bindparam("customer_id", type_=Uuid())
# What an app has vouched for ends with the app.
_GOOD = """
    s.ended_at IS NULL AND s.expires_at > :now
    AND NOT EXISTS (SELECT FROM apps a WHERE a.id = s.app_id AND a.revoked_at IS NOT NULL)
"""
_SESSION = "s.id, s.refresh_generation, s.expires_at, c.id AS customer_id, c.email, c.created_at"
_START = text(
    """
    WITH c AS (
        INSERT INTO customers (id, email, created_at) VALUES (:customer_id, lower(:email), :now)
        ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id, email, created_at
    ), s AS (
        INSERT INTO customer_sessions (id, customer_id, app_id, created_at, expires_at)
        SELECT :id, c.id, :app_id, :now, :expires_at FROM c
        RETURNING id, refresh_generation, expires_at
    )
    SELECT s.id, s.refresh_generation, s.expires_at, c.id AS customer_id, c.email, c.created_at FROM s, c
    """
).bindparams(
    _NOW,
    _CUSTOMER_ID,
    bindparam("email", type_=Text()),
    bindparam("app_id", type_=Uuid()),
    bindparam("expires_at", type_=DateTime(timezone=True)),
)
_HOLDERS = text(
    f"SELECT s.id, s.customer_id, s.app_id FROM customer_sessions s WHERE s.id = ANY (:ids) AND {_GOOD}"
).bindparams(_NOW, bindparam("ids", type_=ARRAY(Uuid)))
_REFRESH = text(
    f"""
    UPDATE customer_sessions s SET refresh_generation = s.refresh_generation + 1
      FROM customers c
     WHERE s.id = :id AND c.id = s.customer_id AND s.refresh_generation = :generation
       AND s.refresh_generation < 65535 AND {_GOOD}
    RETURNING {_SESSION}
    """
).bindparams(_NOW)
_END_REUSED = text(
    """
    UPDATE customer_sessions SET ended_at = :now
     WHERE id = :id AND ended_at IS NULL AND refresh_generation > :generation RETURNING id
    """
).bindparams(_NOW)
_END = text(
    "UPDATE customer_sessions SET ended_at = :now WHERE id = :id AND ended_at IS NULL RETURNING id"
).bindparams(_NOW)
_END_ALL = text(
    f"""
    WITH mine AS (
        SELECT s.customer_id FROM customer_sessions s
         WHERE s.id = :id AND s.refresh_generation = :generation AND {_GOOD}
    ), found AS (
        SELECT s.id FROM customer_sessions s, mine
         WHERE s.customer_id = mine.customer_id AND s.ended_at IS NULL
         ORDER BY s.id FOR NO KEY UPDATE OF s
    )
    UPDATE customer_sessions s SET ended_at = :now FROM found WHERE s.id = found.id RETURNING s.id
    """
).bindparams(_NOW)
_BY_ID = text("SELECT id, email, created_at FROM customers WHERE id = :id")
_OWN_BY_ID = text(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.id = :id AND {OWN}").bindparams(_CUSTOMER_ID)
_OWN_BY_NUMBER = text(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.number = :number AND {OWN}").bindparams(
    _CUSTOMER_ID
)
_HAS_ADDRESS = text("SELECT true FROM customers WHERE id = :id AND email = lower(:email)").bindparams(
    bindparam("email", type_=Text())
)
_STORE_CREDIT = text(
    """
    SELECT s.currency, s.balance_minor FROM stored_values s JOIN customers c ON c.email = s.email
     WHERE c.id = :id AND s.kind = 'STORE_CREDIT' AND s.balance_minor > 0 AND s.disabled_at IS NULL
       AND (s.expires_at IS NULL OR s.expires_at > :now)
     ORDER BY s.currency
    """
).bindparams(_NOW)
_FORGET = text(
    """
    WITH old AS (
        SELECT id FROM customer_sessions
         WHERE expires_at < :before ORDER BY expires_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    DELETE FROM customer_sessions s USING old WHERE s.id = old.id RETURNING true
    """
).bindparams(bindparam("before", type_=DateTime(timezone=True)))


async def start(
    connection: AsyncConnection,
    session_id: UUID,
    new_customer_id: UUID,
    email: str,
    app_id: UUID | None,
    *,
    now: datetime,
    expires_at: datetime,
) -> Session:
    """Sign the customer with this address in, who is one from now on if they were none."""
    values = {
        "id": session_id,
        "customer_id": new_customer_id,
        "email": email,
        "app_id": app_id,
        "now": now,
        "expires_at": expires_at,
    }
    return _session((await connection.execute(_START, values)).one())


async def holders(
    connection: AsyncConnection, session_ids: Sequence[UUID], now: datetime
) -> dict[UUID, tuple[UUID, UUID | None]]:
    """Return the customer of each session that is good, and the app that vouched for them, if one did."""
    found = await connection.execute(_HOLDERS, {"ids": list(session_ids), "now": now})
    return {row.id: (row.customer_id, row.app_id) for row in found}


async def refresh(
    connection: AsyncConnection, session_id: UUID, generation: int, now: datetime
) -> Session | None:
    """Move a good session to its next refresh token; None unless `generation` is the one it is at.

    Of two who ask at once the second finds it moved.
    """
    values = {"id": session_id, "generation": generation, "now": now}
    row = (await connection.execute(_REFRESH, values)).first()
    return _session(row) if row else None


async def end_reused(connection: AsyncConnection, session_id: UUID, generation: int, now: datetime) -> bool:
    """End a session one of whose earlier refresh tokens was shown; False where it is none such."""
    values = {"id": session_id, "generation": generation, "now": now}
    return (await connection.execute(_END_REUSED, values)).first() is not None


async def end(connection: AsyncConnection, session_id: UUID, now: datetime) -> list[UUID]:
    """End a session; returns what ended."""
    return [row.id for row in await connection.execute(_END, {"id": session_id, "now": now})]


async def end_all(
    connection: AsyncConnection, session_id: UUID, generation: int, now: datetime
) -> list[UUID]:
    """End every session of whoever has this good one; returns those that ended."""
    values = {"id": session_id, "generation": generation, "now": now}
    return [row.id for row in await connection.execute(_END_ALL, values)]


async def by_id(connection: AsyncConnection, customer_id: UUID) -> Customer | None:
    """Return a customer."""
    row = (await connection.execute(_BY_ID, {"id": customer_id})).first()
    return Customer(row.id, row.email, row.created_at) if row else None


async def own_order(
    connection: AsyncConnection, customer_id: UUID, *, order_id: UUID | None = None, number: str | None = None
) -> Order | None:
    """Return an order by its id or number, if it is this customer's."""
    statement, named = (_OWN_BY_ID, {"id": order_id}) if order_id else (_OWN_BY_NUMBER, {"number": number})
    row = (await connection.execute(statement, {**named, "customer_id": customer_id})).first()
    return order_of(row) if row else None


async def has_address(connection: AsyncConnection, customer_id: UUID, email: str) -> bool:
    """Say whether an address is this customer's."""
    return bool(await connection.scalar(_HAS_ADDRESS, {"id": customer_id, "email": email}))


async def store_credit(connection: AsyncConnection, customer_id: UUID, now: datetime) -> list[Money]:
    """Return what a customer may spend of their store credit, by currency."""
    rows = await connection.execute(_STORE_CREDIT, {"id": customer_id, "now": now})
    return [Money(row.balance_minor, row.currency) for row in rows]


async def forget_sessions(connection: AsyncConnection, *, before: datetime, most: int) -> int:
    """Remove up to `most` sessions that expired before that moment; returns how many."""
    gone = await connection.execute(_FORGET, {"before": before, "most": most})
    return len(gone.all())


def _session(row: Row[*tuple[Any, ...]]) -> Session:
    customer = Customer(row.customer_id, row.email, row.created_at)
    return Session(row.id, customer, row.refresh_generation, row.expires_at)
