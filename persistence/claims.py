"""SQL of claims: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import Claim, ClaimKind, ClaimLine, ClaimOutcome, ClaimStatus
from domain.orders import Order
from persistence.json_text import json_text
from persistence.tables.base import JSON

_COLUMNS = """
    c.id, c.number, c.order_id, c.shipment_id, c.kind, c.status, c.wish, c.created_at, c.created_by,
    c.description, c.photos, c.verdict, c.note, c.outcome, c.fulfillment_order_id, c.return_id,
    c.decided_at, c.version,
    (SELECT jsonb_agg(jsonb_build_array(l.id, l.order_line_id, l.sku, l.quantity) ORDER BY l.id)
       FROM claim_lines l WHERE l.claim_id = c.id) AS lines
"""


def _select(where: str) -> Any:
    return text(f"SELECT {_COLUMNS} FROM claims c {where}").columns(verdict=JSON)


_OF_ORDER = _select("WHERE c.order_id = :order_id ORDER BY c.id").bindparams(
    bindparam("order_id", type_=Uuid())
)
_BY_ID = _select("WHERE c.id = :id").bindparams(bindparam("id", type_=Uuid()))
_PAGE = _select(
    """
    WHERE (:status IS NULL OR c.status = :status)
      AND (:after_id IS NULL OR (c.created_at, c.id) < (:after_at, :after_id))
    ORDER BY c.created_at DESC, c.id DESC LIMIT :limit
    """
).bindparams(
    bindparam("status", type_=Text()),
    bindparam("after_id", type_=Uuid()),
    bindparam("after_at", type_=DateTime(timezone=True)),
)
_CREATE = text(
    """
    WITH made AS (
        INSERT INTO claims (id, number, order_id, shipment_id, kind, status, wish, created_at, created_by,
               description, photos)
        VALUES (:id, 'C' || nextval('claim_numbers'), :order_id, :shipment_id, :kind, :status, :wish,
                :created_at, :created_by, :description, :photos)
        RETURNING number
    ), lines AS (
        INSERT INTO claim_lines (id, claim_id, order_line_id, sku, quantity)
        SELECT id, :id, order_line_id, sku, quantity
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, order_line_id uuid, sku text,
               quantity int)
    ), version AS (UPDATE orders SET version = :order_version WHERE id = :order_id)
    SELECT number FROM made
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "order_id", "shipment_id")),
    bindparam("created_at", type_=DateTime(timezone=True)),
    bindparam("description", type_=Text()),
    bindparam("photos", type_=ARRAY(Text)),
)
_SAVE = text(
    """
    WITH version AS (UPDATE orders SET version = :order_version WHERE id = :order_id)
    UPDATE claims SET status = :status, verdict = :verdict, note = :note, outcome = :outcome,
           fulfillment_order_id = :fulfillment_order_id, return_id = :return_id, decided_at = :decided_at,
           version = :version
     WHERE id = :id
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "order_id", "fulfillment_order_id", "return_id")),
    *(bindparam(name, type_=Text()) for name in ("note", "outcome")),
    bindparam("verdict", type_=JSON),
    bindparam("decided_at", type_=DateTime(timezone=True)),
)
_BEFORE = text(
    """
    SELECT count(*) FROM claims c JOIN orders o ON o.id = c.order_id
     WHERE (o.id = :order_id OR lower(o.email) = :email) AND c.id <> :id AND c.status <> 'DECLINED'
    """
).bindparams(*(bindparam(name, type_=Uuid()) for name in ("id", "order_id")))
_UNJUDGED = text(
    """
    SELECT id FROM claims WHERE status = 'REQUESTED' AND verdict IS NULL AND created_at <= :before
     ORDER BY created_at, id LIMIT :most
    """
).bindparams(bindparam("before", type_=DateTime(timezone=True)))
# Of the places that serve the channel, the parcel's own first: one that has all units by itself.
_PLACE = text(
    """
    SELECT l.id FROM locations l
      JOIN channel_locations s ON s.location_id = l.id AND s.channel_id = :channel_id
     WHERE l.archived_at IS NULL
       AND NOT EXISTS (SELECT FROM jsonb_to_recordset(CAST(:units AS jsonb)) AS u (variant_id uuid, units int)
                        WHERE u.units > coalesce((SELECT v.available FROM stock_levels v
                                                   WHERE v.variant_id = u.variant_id
                                                     AND v.location_id = l.id), 0))
     ORDER BY l.id = :first DESC, s.rank, l.id LIMIT 1
    """
).bindparams(*(bindparam(name, type_=Uuid()) for name in ("channel_id", "first")))


async def create(connection: AsyncConnection, made: Claim, order: Order) -> str:
    """Insert a claim of a locked order, one version on; returns the number that it is given."""
    return str(
        await connection.scalar(
            _CREATE,
            {
                "id": made.id,
                "order_id": made.order_id,
                "order_version": order.version,
                "shipment_id": made.shipment_id,
                "kind": made.kind.value,
                "status": made.status.value,
                "wish": made.wish.value,
                "created_at": made.created_at,
                "created_by": made.created_by,
                "description": made.description,
                "photos": list(made.photos),
                "lines": json_text(made.lines),
            },
        )
    )


async def save(connection: AsyncConnection, after: Claim, order: Order) -> None:
    """Write a changed claim of a locked order, which is at this version now."""
    await connection.execute(
        _SAVE,
        {
            "id": after.id,
            "order_id": after.order_id,
            "order_version": order.version,
            "status": after.status.value,
            "verdict": after.verdict,
            "note": after.note,
            "outcome": after.outcome.value if after.outcome else None,
            "fulfillment_order_id": after.fulfillment_order_id,
            "return_id": after.return_id,
            "decided_at": after.decided_at,
            "version": after.version,
        },
    )


async def by_id(connection: AsyncConnection, claim_id: UUID) -> Claim | None:
    """Return a claim, None where there is none."""
    row = (await connection.execute(_BY_ID, {"id": claim_id})).one_or_none()
    return None if row is None else _claim(row)


async def of_order(connection: AsyncConnection, order_id: UUID) -> list[Claim]:
    """Return an order's claims, the oldest first."""
    return [_claim(row) for row in await connection.execute(_OF_ORDER, {"order_id": order_id})]


async def page(
    connection: AsyncConnection, limit: int, after: tuple[datetime, UUID] | None, status: ClaimStatus | None
) -> list[Claim]:
    """Return claims from the newest on."""
    after_at, after_id = after or (None, None)
    values = {
        "status": status.value if status else None,
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
    }
    return [_claim(row) for row in await connection.execute(_PAGE, values)]


async def before(connection: AsyncConnection, email: str | None, claim: Claim) -> int:
    """Return how many other claims a buyer's orders have that were not declined."""
    values = {"email": (email or "").strip().lower(), "id": claim.id, "order_id": claim.order_id}
    return int(await connection.scalar(_BEFORE, values) or 0)


async def unjudged(connection: AsyncConnection, until: datetime, most: int) -> list[UUID]:
    """Return claims that were made before a moment and not judged, the oldest first."""
    return list(await connection.scalars(_UNJUDGED, {"before": until, "most": most}))


async def place_with(
    connection: AsyncConnection, channel_id: UUID, units: Sequence[tuple[UUID, int]], first: UUID | None
) -> UUID | None:
    """Return a location of the channel that has all of these units on sale, `first` if it does."""
    wanted = [{"variant_id": variant, "units": count} for variant, count in units]
    values = {"channel_id": channel_id, "units": json_text(wanted), "first": first}
    found: UUID | None = await connection.scalar(_PLACE, values)
    return found


def _claim(row: Row[*tuple[Any, ...]]) -> Claim:
    return Claim(
        row.id,
        row.number,
        row.order_id,
        row.shipment_id,
        ClaimKind(row.kind),
        ClaimStatus(row.status),
        ClaimOutcome(row.wish),
        tuple(
            ClaimLine(UUID(line), UUID(order_line), sku, units)
            for line, order_line, sku, units in row.lines or ()
        ),
        row.created_at,
        row.created_by,
        row.description,
        tuple(row.photos),
        row.verdict,
        row.note,
        ClaimOutcome(row.outcome) if row.outcome else None,
        row.fulfillment_order_id,
        row.return_id,
        row.decided_at,
        row.version,
    )
