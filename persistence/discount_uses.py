"""SQL of limited discounts: each use is counted by the statement that makes or undoes it.

Whoever counts locks the discounts first, by id, so that two who need the same ones never wait for each
other; stock is locked later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.ids import new_id

# What was locked after a wait is the newest; a count of other rows would be as of the statement's start,
# which is why customers have counters of their own: an upsert sees the newest of those too.
_RESERVE = text(
    """
    WITH locked AS (
        SELECT d.id, d.active AND (d.usage_limit IS NULL OR d.used < d.usage_limit) AS has_more,
               d.usage_limit_per_customer AS most
          FROM discounts d WHERE d.id = ANY (:ids) ORDER BY d.id FOR NO KEY UPDATE
    ), counted AS (
        UPDATE discounts d SET used = d.used + 1 FROM locked l WHERE d.id = l.id AND l.has_more
    ), by_customer AS (
        INSERT INTO discount_customers AS m (discount_id, customer, used)
        SELECT l.id, lower(:email), 1 FROM locked l
        ON CONFLICT (discount_id, customer) DO UPDATE SET used = m.used + 1
         WHERE m.used < coalesce((SELECT l.most FROM locked l WHERE l.id = m.discount_id), m.used + 1)
        RETURNING m.discount_id
    ), uses AS (
        INSERT INTO discount_uses (id, discount_id, cart_id, customer, state, reserved_at)
        SELECT u.id, l.id, :cart_id, lower(:email), 'RESERVED', :now
          FROM unnest(:use_ids, :ids) AS u (id, discount_id) JOIN locked l ON l.id = u.discount_id
    )
    SELECT l.id, l.has_more, b.discount_id IS NOT NULL AS customer_has_more
      FROM locked l LEFT JOIN by_customer b ON b.discount_id = l.id
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("use_ids", type_=ARRAY(Uuid)),
    bindparam("cart_id", type_=Uuid()),
    bindparam("now", type_=DateTime(timezone=True)),
)

USED = """
    used_discounts AS (
        UPDATE discount_uses SET state = 'USED', order_id = :id, settled_at = :now
         WHERE cart_id = :cart_id AND state = 'RESERVED'
    )"""
"""The part of a statement that lets the order `:id` have what its cart had reserved."""


def releasing(which: str) -> str:
    """Return the part of a statement that gives the uses `u` back that `which` selects."""
    return f"""
    freed AS (
        UPDATE discount_uses u SET state = 'RELEASED', settled_at = :now {which}
        RETURNING u.discount_id, u.customer
    ), freed_discounts AS (
        SELECT d.id FROM discounts d WHERE d.id IN (SELECT discount_id FROM freed)
         ORDER BY d.id FOR NO KEY UPDATE
    ), uncounted AS (
        UPDATE discounts d SET used = d.used - 1 FROM freed_discounts f WHERE d.id = f.id
    ), uncounted_customers AS (
        UPDATE discount_customers m SET used = m.used - 1
          FROM freed f JOIN freed_discounts l ON l.id = f.discount_id
         WHERE m.discount_id = f.discount_id AND m.customer = f.customer
    )"""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Whether a discount could be used once more: at all, and by the customer."""

    discount_id: UUID
    has_more: bool
    customer_has_more: bool


async def reserve(
    connection: AsyncConnection, cart_id: UUID, discount_ids: Sequence[UUID], email: str, *, now: datetime
) -> list[Reserved]:
    """Take one use of each discount for a locked cart; undo the transaction if one has no more."""
    values = {
        "ids": list(discount_ids),
        "use_ids": [new_id() for _ in discount_ids],
        "cart_id": cart_id,
        "email": email,
        "now": now,
    }
    return [
        Reserved(row.id, row.has_more, row.customer_has_more)
        for row in await connection.execute(_RESERVE, values)
    ]
