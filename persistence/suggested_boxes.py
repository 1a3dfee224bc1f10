"""SQL of what fulfillment orders are packed by: measures, boxes, and what is scanned already."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.boxes import ShippingBox
from domain.catalog import Box
from domain.suggested_boxes import Measured, PackingFacts

_FACTS = text(
    """
    SELECT f.id,
           (SELECT jsonb_agg(p.lines) FROM open_parcels p
             WHERE p.fulfillment_order_id = f.id AND p.ended_at IS NULL) AS parcels,
           (SELECT jsonb_agg(DISTINCT jsonb_build_array(v.id, v.weight_grams, v.length_mm, v.width_mm,
                       v.height_mm))
              FROM fulfillment_order_lines l JOIN variants v ON v.id = l.variant_id
             WHERE l.fulfillment_order_id = f.id) AS items,
           (SELECT jsonb_agg(jsonb_build_array(b.id, b.name, b.length_mm, b.width_mm, b.height_mm,
                       b.own_weight_grams, b.max_weight_grams, b.version) ORDER BY b.id)
              FROM boxes b WHERE b.archived_at IS NULL) AS boxes,
           (SELECT r.dimensional_divisor FROM orders o
              JOIN delivery_rates r ON r.id = CAST(o.delivery ->> 'rateId' AS uuid)
             WHERE o.id = f.order_id) AS divisor
      FROM fulfillment_orders f WHERE f.id = ANY (:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def facts_of(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, PackingFacts]:
    """Return what fulfillment orders are packed by, by id."""
    return {row.id: _facts(row) for row in await connection.execute(_FACTS, {"ids": list(ids)})}


def _facts(row: Row[*tuple[Any, ...]]) -> PackingFacts:
    scanned: Counter[UUID] = Counter()
    for lines in row.parcels or ():
        scanned.update({UUID(line_id): units for line_id, units in lines.items()})
    return PackingFacts(
        scanned,
        {UUID(one): _measured(*facts) for one, *facts in row.items or ()},
        tuple(ShippingBox(UUID(one), *facts) for one, *facts in row.boxes or ()),
        row.divisor,
    )


def _measured(weight: int | None, length: int | None, width: int | None, height: int | None) -> Measured:
    box = None if length is None or width is None or height is None else Box(length, width, height)
    return Measured(weight, box)
