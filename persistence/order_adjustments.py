"""SQL of why orders cost what they do, as it was frozen with them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.pricing import Adjustment, AdjustmentKind, Explanation, Source

_OF_ORDERS = text(
    """
    SELECT order_id, order_line_id, kind, source_id, label, code,
           CAST(percent * 10000 AS int) AS parts_per_million, amount_minor
      FROM order_adjustments WHERE order_id = ANY (:ids) ORDER BY order_id, position
    """
)


async def explanations(connection: AsyncConnection, order_ids: Sequence[UUID]) -> dict[UUID, Explanation]:
    """Return what changed the prices of orders, by order; one without discounts and taxes is left out."""
    found: dict[UUID, list[Adjustment]] = {}
    for row in await connection.execute(_OF_ORDERS, {"ids": list(order_ids)}):
        source = Source(AdjustmentKind(row.kind), row.source_id, row.label, row.code, row.parts_per_million)
        found.setdefault(row.order_id, []).append(Adjustment(source, row.order_line_id, row.amount_minor))
    return {order_id: Explanation(tuple(adjustments)) for order_id, adjustments in found.items()}


def record(position: int, adjustment: Adjustment) -> dict[str, Any]:
    """Return an adjustment as statements that write several take it, packed as JSON."""
    source = adjustment.source
    return {
        "position": position,
        "order_line_id": adjustment.line_id,
        "kind": source.kind,
        "source_id": source.id,
        "label": source.label,
        "code": source.code,
        "parts_per_million": source.parts_per_million,
        "amount_minor": adjustment.amount_minor,
    }
