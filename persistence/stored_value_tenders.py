"""SQL of paying with stored values: what a cart is to be paid with, what is taken, and what goes back.

The order of locks is the house's: the cart or the order, then stored values by id, then stock levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payments import Payment
from domain.stored_values import Applied, StoredValueKind
from persistence.json_text import json_text
from persistence.stored_values import COLUMNS, stored_value_of

_NOW = bindparam("now", type_=DateTime(timezone=True))
_CART_ID = bindparam("cart_id", type_=Uuid())
# With the lock that checkouts take, as codes are applied: see `cart_discounts`.
_APPLY = text(
    """
    INSERT INTO cart_stored_values (cart_id, stored_value_id, seen_minor, limit_minor, applied_at)
    SELECT :cart_id, s.id, :seen_minor, :limit_minor, :now
      FROM (SELECT id FROM stored_values WHERE id = :stored_value_id FOR NO KEY UPDATE) s
    ON CONFLICT (cart_id, stored_value_id)
    DO UPDATE SET seen_minor = excluded.seen_minor, limit_minor = excluded.limit_minor
    """
).bindparams(
    _NOW,
    _CART_ID,
    *(bindparam(name, type_=BigInteger()) for name in ("seen_minor", "limit_minor")),
)
_REMOVE = text(
    """
    DELETE FROM cart_stored_values a USING stored_values s
     WHERE a.cart_id = :cart_id AND s.id = a.stored_value_id AND s.kind = :kind
       AND (:stored_value_id IS NULL OR s.id = :stored_value_id)
    RETURNING s.id
    """
).bindparams(_CART_ID, bindparam("stored_value_id", type_=Uuid()), bindparam("kind", type_=Text()))
_APPLIED = text(
    f"""
    SELECT a.cart_id, a.seen_minor, a.limit_minor, {COLUMNS},
           (SELECT sum(p.amount_minor)::bigint FROM payments p
              JOIN stored_value_movements m ON m.payment_id = p.id AND m.kind = 'SPENT'
             WHERE p.cart_id = a.cart_id AND m.stored_value_id = s.id
               AND p.status NOT IN ('VOIDED', 'FAILED')) AS taken_minor
      FROM cart_stored_values a JOIN stored_values s ON s.id = a.stored_value_id
     WHERE a.cart_id = ANY (:ids)
     ORDER BY a.applied_at, a.stored_value_id
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
# A row that was waited for comes as it is now, and the sum of its balance with it.
_LOCK_APPLIED = text(
    f"""
    WITH a AS MATERIALIZED (SELECT * FROM cart_stored_values WHERE cart_id = :cart_id)
    SELECT {COLUMNS}, a.seen_minor, a.limit_minor, a.applied_at, NULL AS taken_minor
      FROM stored_values s JOIN a ON a.stored_value_id = s.id
     ORDER BY s.id FOR NO KEY UPDATE OF s
    """
).bindparams(_CART_ID)
_LOCK_TAKEN = text(
    """
    SELECT s.id FROM stored_values s
     WHERE s.id IN (SELECT m.stored_value_id FROM stored_value_movements m WHERE m.payment_id = ANY (:ids))
     ORDER BY s.id FOR NO KEY UPDATE
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_TAKE = text(
    """
    WITH taken AS (
        SELECT * FROM jsonb_to_recordset(CAST(:taken AS jsonb)) AS t (stored_value_id uuid, payment_id uuid,
               provider text, method text, currency text, amount_minor bigint, transaction_id uuid)
    ), tender AS (
        INSERT INTO payments (id, cart_id, provider, method, status, currency, amount_minor,
                              authorized_minor, provider_reference, created_at)
        SELECT payment_id, :cart_id, provider, method, 'AUTHORIZED', currency, amount_minor, amount_minor,
               stored_value_id::text, :now
          FROM taken WHERE transaction_id IS NOT NULL
    ), settled AS (
        INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, requested_at,
                                          next_attempt_at, settled_at)
        SELECT transaction_id, payment_id, 'AUTHORIZATION', 'SUCCEEDED', amount_minor, :now, :now, :now
          FROM taken WHERE transaction_id IS NOT NULL
    ), moved AS (
        INSERT INTO stored_value_movements (stored_value_id, kind, amount_minor, payment_id, actor,
                                            occurred_at)
        SELECT stored_value_id, 'SPENT', -amount_minor, payment_id, :actor, :now FROM taken
    )
    UPDATE stored_values s SET balance_minor = s.balance_minor - t.amount_minor, version = s.version + 1
      FROM taken t WHERE s.id = t.stored_value_id
    RETURNING s.id, s.kind, s.currency, s.balance_minor, s.version, -t.amount_minor AS amount_minor
    """
).bindparams(_NOW, _CART_ID)
# What was taken, and has not come back, bounds what comes back: the caller's lock of the order or cart
# keeps anybody else from giving back for the same payment meanwhile.
_GIVE_BACK = text(
    """
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(CAST(:given AS jsonb)) AS g (payment_id uuid, amount_minor bigint,
               transaction_id uuid)
    ), owed AS MATERIALIZED (
        SELECT g.*, m.stored_value_id FROM given g
          JOIN stored_value_movements m ON m.payment_id = g.payment_id AND m.kind = 'SPENT'
         WHERE g.amount_minor <= (SELECT -sum(n.amount_minor) FROM stored_value_movements n
                                   WHERE n.payment_id = g.payment_id)
    ), locked AS MATERIALIZED (
        SELECT s.id FROM stored_values s WHERE s.id IN (SELECT stored_value_id FROM owed)
         ORDER BY s.id FOR NO KEY UPDATE
    ), ended AS (
        UPDATE payments p SET status = 'VOIDED', version = p.version + 1
          FROM owed o WHERE p.id = o.payment_id AND o.transaction_id IS NOT NULL
    ), settled AS (
        INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, requested_at,
                                          next_attempt_at, settled_at)
        SELECT transaction_id, payment_id, 'VOID', 'SUCCEEDED', amount_minor, :now, :now, :now
          FROM owed WHERE transaction_id IS NOT NULL
    ), moved AS (
        INSERT INTO stored_value_movements (stored_value_id, kind, amount_minor, payment_id, actor,
                                            occurred_at)
        SELECT stored_value_id, 'RETURNED', amount_minor, payment_id, :actor, :now FROM owed
    )
    UPDATE stored_values s SET balance_minor = s.balance_minor + r.amount_minor, version = s.version + 1
      FROM (SELECT stored_value_id, sum(amount_minor)::bigint AS amount_minor FROM owed
             GROUP BY stored_value_id) r
      JOIN locked l ON l.id = r.stored_value_id
     WHERE s.id = l.id
    RETURNING s.id, s.kind, s.currency, s.balance_minor, s.version, r.amount_minor
    """
).bindparams(_NOW)


@dataclass(frozen=True, slots=True)
class Tender:
    """What is taken of a stored value, and the payment that says so.

    `transaction_id` is the authorization to record with it; None where the payment and its intent are
    written by whoever asks for it.
    """

    stored_value_id: UUID
    payment: Payment
    transaction_id: UUID | None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What goes back to where a payment was taken from.

    With `voided_by` the payment becomes VOIDED and a transaction of that id says so; without it, payment and
    transaction are the caller's.
    """

    payment_id: UUID
    amount_minor: int
    voided_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A balance as a movement has left it; `amount_minor` is what it changed by."""

    id: UUID
    kind: StoredValueKind
    currency: str
    balance_minor: int
    version: int
    amount_minor: int


async def apply(
    connection: AsyncConnection,
    cart_id: UUID,
    stored_value_id: UUID,
    *,
    seen_minor: int,
    limit_minor: int | None,
    now: datetime,
) -> None:
    """Let a locked cart be paid with a stored value; again, what was seen of it is seen anew."""
    values = {
        "cart_id": cart_id,
        "stored_value_id": stored_value_id,
        "seen_minor": seen_minor,
        "limit_minor": limit_minor,
        "now": now,
    }
    await connection.execute(_APPLY, values)


async def remove(
    connection: AsyncConnection, cart_id: UUID, kind: StoredValueKind, stored_value_id: UUID | None
) -> bool:
    """Let a locked cart not be paid with a stored value (None: with any of its kind); False: it was not."""
    values = {"cart_id": cart_id, "kind": kind.value, "stored_value_id": stored_value_id}
    return bool((await connection.execute(_REMOVE, values)).all())


async def applied_to(connection: AsyncConnection, cart_ids: Sequence[UUID]) -> dict[UUID, list[Applied]]:
    """Return what carts are to be paid with, in the order in which it was applied, by cart."""
    found: dict[UUID, list[Applied]] = {}
    for row in await connection.execute(_APPLIED, {"ids": list(cart_ids)}):
        found.setdefault(row.cart_id, []).append(_applied(row))
    return found


async def lock_applied(connection: AsyncConnection, cart_id: UUID) -> list[Applied]:
    """Lock what a locked cart is to be paid with, by id; returned in the order in which it was applied."""
    rows = (await connection.execute(_LOCK_APPLIED, {"cart_id": cart_id})).all()
    return [_applied(row) for row in sorted(rows, key=lambda row: (row.applied_at, row.id))]


async def lock_taken(connection: AsyncConnection, payment_ids: Sequence[UUID]) -> None:
    """Lock the balances that payments of a locked order were taken from, by id."""
    await connection.execute(_LOCK_TAKEN, {"ids": list(payment_ids)})


async def take(
    connection: AsyncConnection, cart_id: UUID, tenders: Sequence[Tender], *, actor: str, now: datetime
) -> list[Moved]:
    """Take from locked balances, and record the payments that say so."""
    taken = [
        {
            "stored_value_id": one.stored_value_id,
            "payment_id": one.payment.id,
            "provider": one.payment.provider,
            "method": one.payment.method,
            "currency": one.payment.currency,
            "amount_minor": one.payment.amount_minor,
            "transaction_id": one.transaction_id,
        }
        for one in tenders
    ]
    values = {"taken": json_text(taken), "cart_id": cart_id, "actor": actor, "now": now}
    return [_moved(row) for row in await connection.execute(_TAKE, values)]


async def give_back(
    connection: AsyncConnection, given: Sequence[GivenBack], *, actor: str, now: datetime
) -> list[Moved]:
    """Put back what payments took; call it with the lock of their cart or order.

    What is more than a payment took, less what came back before, is left out of the result whole.
    """
    packed = [
        {
            "payment_id": one.payment_id,
            "amount_minor": one.amount_minor,
            "transaction_id": one.voided_by,
        }
        for one in given
    ]
    values = {"given": json_text(packed), "actor": actor, "now": now}
    return [_moved(row) for row in await connection.execute(_GIVE_BACK, values)]


def _applied(row: Row[*tuple[Any, ...]]) -> Applied:
    return Applied(stored_value_of(row), row.seen_minor, row.limit_minor, row.taken_minor)


def _moved(row: Row[*tuple[Any, ...]]) -> Moved:
    return Moved(
        row.id, StoredValueKind(row.kind), row.currency, row.balance_minor, row.version, row.amount_minor
    )
