"""SQL of edits: what an edit is decided by, the shelves its units come from, and the order as it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalog import VariantRef
from domain.channels import CapturePolicy
from domain.fulfillment import FulfillmentOrder
from domain.order_edit_stock import Shelf
from domain.order_edits import Edit
from domain.orders import OrderLine
from domain.pricing import Adjustment, PricingRules
from persistence import order_adjustments, order_holds, order_parts
from persistence.json_text import json_text
from persistence.pricing import rules_of, rules_sql

_FACTS = text(
    f"""
    SELECT {rules_sql("h", "o.email", cart=None, address="o.shipping_address")}, h.capture_policy,
           (SELECT jsonb_object_agg(v.id, v.tax_class)
              FROM order_lines l JOIN variants v ON v.id = l.variant_id
             WHERE l.order_id = o.id) AS tax_classes,
           (SELECT array_agg(l.id) FROM order_lines l WHERE l.order_id = o.id
               AND (EXISTS (SELECT FROM shipment_lines s WHERE s.order_line_id = l.id)
                 OR EXISTS (SELECT FROM claim_lines c WHERE c.order_line_id = l.id)
                 OR EXISTS (SELECT FROM return_lines b JOIN returns r ON r.id = b.return_id
                             WHERE b.order_line_id = l.id AND r.status NOT IN ('DECLINED', 'CANCELED')))
           ) AS told_of,
           (SELECT jsonb_agg(jsonb_build_array(v.id, v.sku,
                       CASE WHEN v.name IN ('', p.name) THEN p.name ELSE p.name || ', ' || v.name END,
                       v.tax_class, s.amount_minor))
              FROM variants v JOIN products p ON p.id = v.product_id
              LEFT JOIN prices s ON s.variant_id = v.id AND s.channel_id = h.id
             WHERE (v.id = ANY (:ids) OR v.sku = ANY (:skus)) AND v.archived_at IS NULL) AS offers
      FROM orders o JOIN channels h ON h.id = o.channel_id WHERE o.id = :order_id
    """
).bindparams(
    bindparam("order_id", type_=Uuid()),
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("skus", type_=ARRAY(Text)),
)
# Also where nothing is sold from any more: units may go back there, and all are locked in their one order.
_SHELVES = """
    SELECT s.variant_id, s.location_id, s.available, c.rank
      FROM stock_levels s
      LEFT JOIN (channel_locations c JOIN locations p ON p.id = c.location_id AND p.archived_at IS NULL)
        ON c.location_id = s.location_id AND c.channel_id = :channel_id
     WHERE s.variant_id = ANY (:variant_ids)
     ORDER BY s.variant_id, s.location_id
"""
_TYPED = (bindparam("channel_id", type_=Uuid()), bindparam("variant_ids", type_=ARRAY(Uuid)))
_LOOK = text(_SHELVES).bindparams(*_TYPED)
_LOCK = text(_SHELVES + " FOR NO KEY UPDATE OF s").bindparams(*_TYPED)
_FORGET = text("DELETE FROM order_adjustments WHERE order_id = :order_id")
_APPLY = text(
    """
    WITH changed AS (
        INSERT INTO order_lines (id, order_id, variant_id, sku, name, quantity, unit_price_minor,
               total_minor, position, discount_minor, tax_minor)
        SELECT id, :id, variant_id, sku, name, quantity, unit_price_minor, quantity * unit_price_minor,
               position, discount_minor, tax_minor
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, variant_id uuid, sku text,
               name text, quantity int, unit_price_minor bigint, position int, discount_minor bigint,
               tax_minor bigint)
        ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, total_minor = excluded.total_minor,
               discount_minor = excluded.discount_minor, tax_minor = excluded.tax_minor
    ), gone AS (
        DELETE FROM order_lines WHERE id = ANY (:gone)
    ), explained AS (
        INSERT INTO order_adjustments (order_id, position, order_line_id, kind, source_id, label, code,
               percent, amount_minor)
        SELECT :id, position, order_line_id, kind, source_id, label, code, parts_per_million / 10000.0,
               amount_minor
          FROM jsonb_to_recordset(CAST(:adjustments AS jsonb)) AS a (position int, order_line_id uuid,
               kind text, source_id uuid, label text, code text, parts_per_million int, amount_minor bigint)
    ), parts AS (
        INSERT INTO fulfillment_orders (id, order_id, location_id, status, delivery_method, created_at)
        SELECT id, :id, location_id, status, delivery_method, :now
          FROM jsonb_to_recordset(CAST(:parts AS jsonb)) AS f (id uuid, location_id uuid, status text,
               delivery_method text)
        ON CONFLICT (id) DO UPDATE SET status = excluded.status, version = fulfillment_orders.version + 1
    ), part_lines AS (
        INSERT INTO fulfillment_order_lines (id, fulfillment_order_id, order_line_id, variant_id, sku,
               quantity, quantity_short)
        SELECT id, part_id, order_line_id, variant_id, sku, quantity, quantity_short
          FROM jsonb_to_recordset(CAST(:part_lines AS jsonb)) AS f (id uuid, part_id uuid,
               order_line_id uuid, variant_id uuid, sku text, quantity int, quantity_short int)
        ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, quantity_short = excluded.quantity_short
    ), emptied AS (
        DELETE FROM fulfillment_order_lines
         WHERE fulfillment_order_id = ANY (:part_ids) AND NOT id = ANY (:part_line_ids)
    ), held AS (
        INSERT INTO order_holds (id, order_id, fulfillment_order_id, kind, of_review, code, created_by,
               created_at)
        SELECT id, :id, fulfillment_order_id, kind, of_review, code, created_by, :now
          FROM jsonb_to_recordset(CAST(:holds AS jsonb)) AS h (id uuid, fulfillment_order_id uuid,
               kind text, of_review boolean, code text, created_by text)
        ON CONFLICT (id) DO NOTHING
    ), noted AS (
        INSERT INTO order_edits (id, order_id, version, actor, reason, difference_minor, totals_before,
               created_at)
        VALUES (:edit_id, :id, :version, :actor, :reason, :difference_minor, CAST(:before AS jsonb), :now)
    )
    UPDATE orders SET subtotal_minor = :subtotal_minor, discount_minor = :discount_minor,
           tax_minor = :tax_minor, total_minor = :total_minor, payment_status = :payment_status,
           fulfillment_status = :fulfillment_status, version = :version,
           edited_back_minor = :edited_back_minor, gifts_minor = :gifts_minor
     WHERE id = :id
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "edit_id")),
    *(bindparam(name, type_=ARRAY(Uuid)) for name in ("gone", "part_ids", "part_line_ids")),
    bindparam("now", type_=DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant as the order's channel sells it today; without a price it does not."""

    variant_id: UUID
    sku: str
    name: str
    tax_class: str
    price_minor: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What an edit is decided by besides the order and its parts."""

    lines: tuple[OrderLine, ...]
    adjustments: tuple[Adjustment, ...]
    rules: PricingRules
    tax_classes: dict[UUID, str]
    offers: dict[VariantRef, Offer]
    capture_policy: CapturePolicy
    told_of: frozenset[UUID]
    """Lines that parcels, claims or returns name."""


@dataclass(frozen=True, slots=True)
class Note:
    """Who edited an order, and why."""

    id: UUID
    actor: str
    reason: str
    before: dict[str, int]
    now: datetime


async def facts(connection: AsyncConnection, order_id: UUID, refs: Sequence[VariantRef]) -> Facts:
    """Return what an edit of an order is decided by, in three statements; lock the order before."""
    values = {
        "order_id": order_id,
        "ids": [ref.id for ref in refs if ref.id is not None],
        "skus": [ref.sku for ref in refs if ref.sku is not None],
    }
    row = (await connection.execute(_FACTS, values)).one()
    lines = await order_parts.lines_of(connection, [order_id])
    explained = (await order_adjustments.explanations(connection, [order_id])).get(order_id)
    offers = [Offer(UUID(one), *rest) for one, *rest in row.offers or ()]
    return Facts(
        tuple(lines.get(order_id, ())),
        tuple(explained.adjustments) if explained else (),
        rules_of(row),
        {UUID(variant_id): tax_class for variant_id, tax_class in (row.tax_classes or {}).items()},
        {VariantRef(id=one.variant_id): one for one in offers}
        | {VariantRef(sku=one.sku): one for one in offers},
        CapturePolicy(row.capture_policy),
        frozenset(row.told_of or ()),
    )


async def shelves(
    connection: AsyncConnection, channel_id: UUID, variant_ids: Sequence[UUID], *, locking: bool
) -> list[Shelf]:
    """Return where a channel's locations have variants on sale; `locking` keeps that so until the commit."""
    values = {"channel_id": channel_id, "variant_ids": list(variant_ids)}
    rows = await connection.execute(_LOCK if locking else _LOOK, values)
    return [Shelf(*row) for row in rows if row.rank is not None]


async def apply(
    connection: AsyncConnection, edit: Edit, parts: Sequence[FulfillmentOrder], note: Note
) -> None:
    """Write a locked order as an edit makes it, with the parts that change or are new, in two statements."""
    await connection.execute(_FORGET, {"order_id": edit.order.id})
    await connection.execute(_APPLY, _order_values(edit, note) | _children(edit) | _part_values(parts))


def _order_values(edit: Edit, note: Note) -> dict[str, Any]:
    order = edit.order
    return {
        "id": order.id,
        "subtotal_minor": order.subtotal_minor,
        "discount_minor": order.discount_minor,
        "tax_minor": order.tax_minor,
        "total_minor": order.total_minor,
        "payment_status": order.payment_status.value,
        "fulfillment_status": order.fulfillment_status.value,
        "version": order.version,
        "edited_back_minor": order.edited_back_minor,
        "gifts_minor": order.gifts_minor,
        "edit_id": note.id,
        "actor": note.actor,
        "reason": note.reason,
        "difference_minor": edit.difference_minor,
        "before": json_text(note.before),
        "now": note.now,
    }


def _children(edit: Edit) -> dict[str, Any]:
    return {
        "lines": json_text(edit.lines),
        "gone": list(edit.gone),
        "adjustments": json_text(
            [order_adjustments.record(position, one) for position, one in enumerate(edit.adjustments)]
        ),
    }


def _part_values(parts: Sequence[FulfillmentOrder]) -> dict[str, Any]:
    return {
        "parts": json_text(
            [
                {
                    "id": part.id,
                    "location_id": part.location_id,
                    "status": part.status,
                    "delivery_method": part.delivery_method,
                }
                for part in parts
            ]
        ),
        "part_lines": json_text(
            [
                {
                    "id": line.id,
                    "part_id": part.id,
                    "order_line_id": line.order_line_id,
                    "variant_id": line.variant_id,
                    "sku": line.sku,
                    "quantity": line.quantity,
                    "quantity_short": line.quantity_short,
                }
                for part in parts
                for line in part.lines
            ]
        ),
        "holds": json_text(order_holds.records(parts)),
        "part_ids": [part.id for part in parts],
        "part_line_ids": [line.id for part in parts for line in part.lines],
    }
