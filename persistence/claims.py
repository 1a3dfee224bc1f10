"""SQL of claims: rows in, dataclasses out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.claim_arrivals import ClaimWork
from domain.claim_policies import ClaimPolicy
from domain.claims import Claim, ClaimKind, ClaimLine, ClaimOutcome, ClaimStatus
from domain.orders import Order
from persistence.claim_policies import policy_of
from persistence.json_text import json_text
from persistence.tables.base import JSON

_COLUMNS = """
    c.id, c.number, c.order_id, c.shipment_id, c.kind, c.status, c.wish, c.created_at, c.created_by,
    c.description, c.photos, c.verdict, c.note, c.outcome, c.fulfillment_order_id, c.return_id,
    c.decided_at, c.version, c.arrival_dismissed_at,
    (SELECT jsonb_agg(jsonb_build_array(l.id, l.order_line_id, l.sku, l.quantity) ORDER BY l.id)
       FROM claim_lines l WHERE l.claim_id = c.id) AS lines
"""


def _select(where: str) -> Any:
    return text(f"SELECT {_COLUMNS} FROM claims c {where}").columns(verdict=JSON)


_OF_ORDER = _select("WHERE c.order_id = :order_id ORDER BY c.id").bindparams(
    bindparam("order_id", type_=Uuid())
)
_BY_ID = _select("WHERE c.id = :id").bindparams(bindparam("id", type_=Uuid()))
_TYPES: dict[str, TypeEngine[Any]] = {
    "status": Text(),
    "after_at": DateTime(timezone=True),
    "after_id": Uuid(),
}
_NARROWED = {"status": "c.status = :status", "after_id": "(c.created_at, c.id) < (:after_at, :after_id)"}
_BY_IDS = _select("WHERE c.id = ANY (:ids)").bindparams(bindparam("ids", type_=ARRAY(Uuid())))
_CONDITIONS: Mapping[ClaimWork | None, str] = {
    None: "true",
    ClaimWork.TO_DECIDE: "c.status = 'REQUESTED' AND c.verdict IS NOT NULL",
    ClaimWork.ARRIVED_AFTER_ALL: """
        c.kind = 'LOST_IN_TRANSIT' AND c.status IN ('REQUESTED', 'APPROVED')
        AND c.arrival_dismissed_at IS NULL
        AND EXISTS (SELECT FROM shipments s WHERE s.id = c.shipment_id AND s.status = 'DELIVERED')
    """,
}
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
           arrival_dismissed_at = :arrival_dismissed_at, version = :version
     WHERE id = :id
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "order_id", "fulfillment_order_id", "return_id")),
    *(bindparam(name, type_=Text()) for name in ("note", "outcome")),
    bindparam("verdict", type_=JSON),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("decided_at", "arrival_dismissed_at")),
)
# What nobody has judged counts nowhere: whoever judges it counts this one.
_BEFORE = (
    text(
        """
    SELECT count(*) FILTER (WHERE c.status = 'APPROVED' OR c.status = 'REQUESTED' AND c.verdict IS NOT NULL)
               AS claims,
           count(*) FILTER (WHERE c.status = 'DECLINED'
                              AND c.verdict ->> 'decision' IS DISTINCT FROM 'DECLINE') AS refused,
           (SELECT jsonb_agg(to_jsonb(p)) FROM claim_policies p
             WHERE (p.channel_id IS NULL OR p.channel_id = :channel_id) AND (p.kind IS NULL OR p.kind = :kind)
           ) AS policies
      FROM claims c JOIN orders o ON o.id = c.order_id
     WHERE (o.id = :order_id OR lower(o.email) = :email) AND c.id <> :id
    """
    )
    .bindparams(*(bindparam(name, type_=Uuid()) for name in ("id", "order_id", "channel_id")))
    .columns(policies=JSON)
)
_UNJUDGED = text(
    """
    SELECT id FROM claims
     WHERE status = 'REQUESTED' AND verdict IS NULL AND created_at <= :before
       AND (put_off_until IS NULL OR put_off_until <= :now)
     ORDER BY created_at, id LIMIT :most
    """
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("before", "now")))
_PUT_OFF = text("UPDATE claims SET put_off_until = :until WHERE id = :id").bindparams(
    bindparam("id", type_=Uuid()), bindparam("until", type_=DateTime(timezone=True))
)
# Of the places that serve the channel, the parcel's own first: one that has all units by itself. They are
# locked, and so are there when they are committed.
_PLACE = text(
    """
    WITH units AS (
        SELECT * FROM jsonb_to_recordset(CAST(:units AS jsonb)) AS u (variant_id uuid, units int)
    ), there AS MATERIALIZED (
        SELECT v.variant_id, v.location_id, v.available FROM stock_levels v
         WHERE v.variant_id IN (SELECT variant_id FROM units)
         ORDER BY v.variant_id, v.location_id FOR NO KEY UPDATE
    )
    SELECT l.id FROM locations l
      JOIN channel_locations s ON s.location_id = l.id AND s.channel_id = :channel_id
     WHERE l.archived_at IS NULL AND CASE WHEN :only THEN l.id = :first ELSE l.ships END
       AND NOT EXISTS (SELECT FROM units u LEFT JOIN there t ON t.variant_id = u.variant_id
                                                            AND t.location_id = l.id
                        WHERE u.units > coalesce(t.available, 0))
     ORDER BY l.id = :first DESC, s.rank, l.id LIMIT 1
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("channel_id", "first")),
    bindparam("only", type_=Boolean()),
)


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What is known of a claim's buyer, and the limits that may hold for it."""

    claims: int
    """Other claims of the buyer's orders that were judged before, and not declined."""
    refused: int
    """Those that a person declined."""
    policies: tuple[ClaimPolicy, ...]


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
            "arrival_dismissed_at": after.arrival_dismissed_at,
            "version": after.version,
        },
    )


async def by_id(connection: AsyncConnection, claim_id: UUID) -> Claim | None:
    """Return a claim, None where there is none."""
    row = (await connection.execute(_BY_ID, {"id": claim_id})).one_or_none()
    return None if row is None else _claim(row)


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Claim]:
    """Return those of these claims that there are."""
    return [_claim(row) for row in await connection.execute(_BY_IDS, {"ids": list(ids)})]


async def of_order(connection: AsyncConnection, order_id: UUID) -> list[Claim]:
    """Return an order's claims, the oldest first."""
    return [_claim(row) for row in await connection.execute(_OF_ORDER, {"order_id": order_id})]


async def page(
    connection: AsyncConnection,
    limit: int,
    after: tuple[datetime, UUID] | None,
    status: ClaimStatus | None,
    work: ClaimWork | None,
) -> list[Claim]:
    """Return claims from the newest on; with `work` those that need a person for that."""
    values: dict[str, Any] = {} if status is None else {"status": status.value}
    if after is not None:
        values["after_at"], values["after_id"] = after
    statement = _page(work, *values)
    return [_claim(row) for row in await connection.execute(statement, {**values, "limit": limit})]


async def facts(connection: AsyncConnection, order: Order, claim: Claim) -> ClaimFacts:
    """Return what a claim of a locked order is judged by; lock its buyer before."""
    values = {
        "email": (order.email or "").strip().lower(),
        "id": claim.id,
        "order_id": claim.order_id,
        "channel_id": order.channel_id,
        "kind": claim.kind.value,
    }
    row = (await connection.execute(_BEFORE, values)).one()
    return ClaimFacts(row.claims, row.refused, tuple(policy_of(one) for one in row.policies or ()))


async def unjudged(connection: AsyncConnection, before: datetime, now: datetime, most: int) -> list[UUID]:
    """Return claims that were made before a moment and not judged, the oldest first."""
    return list(await connection.scalars(_UNJUDGED, {"before": before, "now": now, "most": most}))


async def put_off(connection: AsyncConnection, claim_id: UUID, until: datetime) -> None:
    """Let no job try again before a moment what went wrong with a claim."""
    await connection.execute(_PUT_OFF, {"id": claim_id, "until": until})


async def place_with(
    connection: AsyncConnection,
    channel_id: UUID,
    units: Sequence[tuple[UUID, int]],
    first: UUID | None,
    *,
    only: bool,
) -> UUID | None:
    """Return a location of the channel that sends parcels and has all of these units on sale.

    `first` if it does; `only` that one, whether it sends parcels or not. Until the commit it has them.
    """
    wanted = [{"variant_id": variant, "units": count} for variant, count in units]
    values = {"channel_id": channel_id, "units": json_text(wanted), "first": first, "only": only}
    found: UUID | None = await connection.scalar(_PLACE, values)
    return found


@lru_cache(maxsize=16)
def _page(work: ClaimWork | None, *narrowed: str) -> Any:
    """Return the statement of a page, with no condition that an index does not lead to."""
    conditions = " AND ".join(
        [_CONDITIONS[work], *(_NARROWED[name] for name in narrowed if name in _NARROWED)]
    )
    return _select(f"WHERE {conditions} ORDER BY c.created_at DESC, c.id DESC LIMIT :limit").bindparams(
        *(bindparam(name, type_=_TYPES[name]) for name in narrowed)
    )


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
        row.arrival_dismissed_at,
    )
