"""SQL of links from refunds without an order to the orders that were found."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.orders import Order
from domain.unlinked_refunds import Link
from persistence.json_text import json_text

# More units of a line are added to those that were linked before.
_CREATE = text(
    """
    WITH version AS (UPDATE orders SET version = :order_version WHERE id = :order_id)
    INSERT INTO unlinked_refund_links AS k (line_id, order_line_id, units, linked_by, linked_at)
    SELECT n.line_id, n.order_line_id, n.units, :actor, :now
      FROM jsonb_to_recordset(CAST(:links AS jsonb)) AS n (line_id uuid, order_line_id uuid, units int)
    ON CONFLICT (line_id, order_line_id) DO UPDATE SET units = k.units + excluded.units
    """
).bindparams(
    bindparam("order_id", type_=Uuid()),
    bindparam("actor", type_=Text()),
    bindparam("now", type_=DateTime(timezone=True)),
)


async def create(
    connection: AsyncConnection, links: Sequence[Link], order: Order, actor: str, now: datetime
) -> None:
    """Insert links to a locked order, which is one version on."""
    values = {
        "links": json_text(links),
        "order_id": order.id,
        "order_version": order.version,
        "actor": actor,
        "now": now,
    }
    await connection.execute(_CREATE, values)
