"""SQL of refunds without an order: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Row, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.notifications import NotificationState
from domain.unlinked_refund_requests import Spent, UnlinkedRefundPolicy, document_key
from domain.unlinked_refunds import (
    Evidence,
    Link,
    Recipient,
    RefundPayment,
    RefundPaymentStatus,
    UnlinkedRefund,
    UnlinkedRefundLine,
    UnlinkedRefundMethod,
    UnlinkedRefundStatus,
)
from persistence.json_text import json_text

_COLUMNS = """
    r.id, r.number, r.channel_id, r.currency, r.status, r.email, r.external_id, r.reason,
    r.document_reference, r.keeps_items, r.created_at, r.created_by, r.decided_by, r.decided_at, r.note,
    r.location_id, r.method, r.payment_reference, r.stored_value_id, r.paid_minor, r.paid_by, r.paid_at,
    r.version, r.document_known, r.similar_order_id,
    (SELECT jsonb_agg(jsonb_build_array(l.id, l.variant_id, l.sku, l.quantity, l.unit_price_minor,
                l.tax_minor, l.quantity_received, l.quantity_inspected, l.quantity_missing,
                l.quantity_accepted) ORDER BY l.id)
       FROM unlinked_refund_lines l WHERE l.unlinked_refund_id = r.id) AS lines,
    (SELECT jsonb_agg(jsonb_build_array(p.id, p.provider, p.status, p.amount_minor, p.requested_by,
                p.requested_at, p.provider_reference, p.decline_code, p.settled_at) ORDER BY p.id)
       FROM unlinked_refund_payments p WHERE p.unlinked_refund_id = r.id) AS payments,
    (SELECT jsonb_agg(jsonb_build_array(k.line_id, o.order_id, k.order_line_id, k.units)
                      ORDER BY k.linked_at, k.line_id, k.order_line_id)
       FROM unlinked_refund_lines l JOIN unlinked_refund_links k ON k.line_id = l.id
       JOIN order_lines o ON o.id = k.order_line_id WHERE l.unlinked_refund_id = r.id) AS links,
    (SELECT n.state FROM notifications n
      WHERE n.unlinked_refund_id = r.id AND n.kind = 'UNLINKED_REFUND_PAID') AS told
"""
_BY_IDS = text(f"SELECT {_COLUMNS} FROM unlinked_refunds r WHERE r.id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
# Its lines are read as of the statement's start: who waited for the row reads it again.
_LOCK = text("SELECT version FROM unlinked_refunds WHERE id = :id FOR NO KEY UPDATE").bindparams(
    bindparam("id", type_=Uuid())
)
_TYPES: dict[str, TypeEngine[Any]] = {
    "status": Text(),
    "approver": Text(),
    "channel_id": Uuid(),
    "after_at": DateTime(timezone=True),
    "after_id": Uuid(),
}
_NARROWED = {
    "status": "r.status = :status",
    "approver": "(r.status = 'PENDING_APPROVAL' OR r.decided_by = :approver)",
    "channel_id": "r.channel_id = :channel_id",
    "after_id": "(r.created_at, r.id) < (:after_at, :after_id)",
}
_CREATE = text(
    """
    WITH made AS (
        INSERT INTO unlinked_refunds (id, number, channel_id, currency, status, email, external_id, reason,
               document_reference, document_key, document_known, similar_order_id, keeps_items, created_at,
               created_by, decided_by, decided_at, total_minor)
        VALUES (:id, 'U' || nextval('unlinked_refund_numbers'), :channel_id, :currency, :status, :email,
                :external_id, :reason, :document_reference, :document_key, :document_known,
                :similar_order_id, :keeps_items,
                :created_at, :created_by, :decided_by, :decided_at, :total_minor)
        ON CONFLICT (channel_id, document_key)
              WHERE NOT document_known AND status NOT IN ('DECLINED', 'CANCELED') DO NOTHING
        RETURNING number
    ), lines AS (
        INSERT INTO unlinked_refund_lines (id, unlinked_refund_id, variant_id, sku, quantity,
               unit_price_minor, tax_minor)
        SELECT id, :id, variant_id, sku, quantity, unit_price_minor, tax_minor
          FROM made, jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, variant_id uuid, sku text,
               quantity int, unit_price_minor bigint, tax_minor bigint)
    )
    SELECT number FROM made
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "channel_id", "similar_order_id")),
    *(bindparam(name, type_=Text()) for name in ("email", "external_id", "decided_by")),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("created_at", "decided_at")),
)
_SAVE = text(
    """
    WITH lines AS (
        UPDATE unlinked_refund_lines l
           SET quantity_received = n.quantity_received, quantity_inspected = n.quantity_inspected,
               quantity_missing = n.quantity_missing, quantity_accepted = n.quantity_accepted
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS n (id uuid, quantity_received int,
               quantity_inspected int, quantity_missing int, quantity_accepted int)
         WHERE l.id = n.id
    )
    UPDATE unlinked_refunds SET status = :status, decided_by = :decided_by, decided_at = :decided_at,
           note = :note, location_id = :location_id, method = :method,
           payment_reference = :payment_reference, stored_value_id = :stored_value_id,
           paid_minor = :paid_minor, paid_by = :paid_by, paid_at = :paid_at, version = :version
     WHERE id = :id
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "location_id", "stored_value_id")),
    *(
        bindparam(name, type_=Text())
        for name in ("decided_by", "note", "method", "payment_reference", "paid_by")
    ),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("decided_at", "paid_at")),
    bindparam("paid_minor", type_=BigInteger()),
)
# A row that is locked makes those who count against its limit wait for each other.
_POLICY = text(
    """
    SELECT id, channel_id, four_eyes_above_minor, most_minor, most_per_day_minor, alone_per_day_minor, version
      FROM unlinked_refund_policies WHERE channel_id = :channel_id FOR NO KEY UPDATE
    """
).bindparams(bindparam("channel_id", type_=Uuid()))
_POLICIES = text(
    """
    SELECT id, channel_id, four_eyes_above_minor, most_minor, most_per_day_minor, alone_per_day_minor, version
      FROM unlinked_refund_policies ORDER BY channel_id
    """
)
# Of a channel: what uses its limits up, and the order that a document is the number of.
_SPENT = text(
    """
    SELECT coalesce(sum(total_minor), 0)::bigint AS by_all,
           coalesce(sum(total_minor) FILTER (WHERE created_by = ANY (:tokens) AND decided_by = created_by),
                    0)::bigint AS alone,
           (SELECT o.number FROM orders o
             WHERE o.channel_id = :channel_id
               AND (o.number = :reference OR o.external_id = :reference) LIMIT 1) AS order_number,
           EXISTS (SELECT FROM fraud_flags f WHERE f.email = lower(:email)) AS is_flagged,
           (SELECT o.id FROM orders o
             WHERE lower(o.email) = lower(:email) AND o.channel_id = :channel_id AND EXISTS
                   (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.sku = ANY (:skus)
                       AND l.quantity_shipped > l.quantity_returned)
             ORDER BY o.placed_at DESC LIMIT 1) AS similar_order_id
      FROM unlinked_refunds
     WHERE channel_id = :channel_id AND created_at > :since AND status NOT IN ('DECLINED', 'CANCELED')
    """
).bindparams(
    bindparam("channel_id", type_=Uuid()),
    bindparam("since", type_=DateTime(timezone=True)),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("skus", "tokens")),
    *(bindparam(name, type_=Text()) for name in ("reference", "email")),
)
_OF_DOCUMENT = text(
    """
    SELECT number FROM unlinked_refunds
     WHERE channel_id = :channel_id AND document_key = :document_key AND NOT document_known
       AND status NOT IN ('DECLINED', 'CANCELED')
    """
).bindparams(bindparam("channel_id", type_=Uuid()))
_SET_POLICY = text(
    """
    INSERT INTO unlinked_refund_policies AS p (id, channel_id, four_eyes_above_minor, most_minor,
           most_per_day_minor, alone_per_day_minor)
    VALUES (:id, :channel_id, :four_eyes_above_minor, :most_minor, :most_per_day_minor, :alone_per_day_minor)
    ON CONFLICT (channel_id) DO UPDATE SET four_eyes_above_minor = excluded.four_eyes_above_minor,
           most_minor = excluded.most_minor, most_per_day_minor = excluded.most_per_day_minor,
           alone_per_day_minor = excluded.alone_per_day_minor, version = p.version + 1
    RETURNING id, channel_id, four_eyes_above_minor, most_minor, most_per_day_minor, alone_per_day_minor,
              version
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "channel_id")),
    *(
        bindparam(name, type_=BigInteger())
        for name in ("most_minor", "most_per_day_minor", "alone_per_day_minor")
    ),
)


async def create(connection: AsyncConnection, made: UnlinkedRefund) -> str | None:
    """Insert a refund; returns the number that it is given, None where its document has brought money before.

    Waits for whoever asks by the same document at once.
    """
    number: str | None = await connection.scalar(
        _CREATE,
        {
            "id": made.id,
            "channel_id": made.channel_id,
            "currency": made.currency,
            "status": made.status.value,
            "email": made.recipient.email,
            "external_id": made.recipient.external_id,
            "reason": made.evidence.reason,
            "document_reference": made.evidence.document_reference,
            "document_key": document_key(made.evidence.document_reference),
            "document_known": made.document_known,
            "similar_order_id": made.similar_order_id,
            "keeps_items": made.keeps_items,
            "created_at": made.created_at,
            "created_by": made.created_by,
            "decided_by": made.decided_by,
            "decided_at": made.decided_at,
            "total_minor": made.total_minor,
            "lines": json_text(made.lines),
        },
    )
    return number


async def lock(connection: AsyncConnection, refund_id: UUID) -> UnlinkedRefund | None:
    """Return a refund with its lock, None where there is none; two statements."""
    if await connection.scalar(_LOCK, {"id": refund_id}) is None:
        return None
    return await by_id(connection, refund_id)


async def by_id(connection: AsyncConnection, refund_id: UUID) -> UnlinkedRefund | None:
    """Return a refund, None where there is none."""
    found = await by_ids(connection, [refund_id])
    return found[0] if found else None


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> list[UnlinkedRefund]:
    """Return refunds, in no order."""
    return [_refund(row) for row in await connection.execute(_BY_IDS, {"ids": list(ids)})]


async def save(connection: AsyncConnection, after: UnlinkedRefund) -> None:
    """Write a changed refund, whose lock the caller has."""
    await connection.execute(
        _SAVE,
        {
            "id": after.id,
            "status": after.status.value,
            "decided_by": after.decided_by,
            "decided_at": after.decided_at,
            "note": after.note,
            "location_id": after.location_id,
            "method": after.method.value if after.method else None,
            "payment_reference": after.payment_reference,
            "stored_value_id": after.stored_value_id,
            "paid_minor": after.paid_minor,
            "paid_by": after.paid_by,
            "paid_at": after.paid_at,
            "version": after.version,
            "lines": json_text(after.lines),
        },
    )


async def page(
    connection: AsyncConnection,
    limit: int,
    after: tuple[datetime, UUID] | None,
    status: UnlinkedRefundStatus | None,
    channel_id: UUID | None,
    approver: str | None = None,
) -> list[UnlinkedRefund]:
    """Return refunds from the newest on; with `approver` those that are theirs to decide, or were."""
    given = {"status": status.value if status else None, "channel_id": channel_id, "approver": approver}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if after is not None:
        values["after_at"], values["after_id"] = after
    return [_refund(row) for row in await connection.execute(_page(*values), {**values, "limit": limit})]


@lru_cache(maxsize=32)
def _page(*narrowed: str) -> TextClause:
    """Return the statement of a page, with no condition that an index does not lead to."""
    conditions = " AND ".join(sql for name, sql in _NARROWED.items() if name in narrowed) or "true"
    return text(
        f"SELECT {_COLUMNS} FROM unlinked_refunds r WHERE {conditions}"
        " ORDER BY r.created_at DESC, r.id DESC LIMIT :limit"
    ).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in narrowed))


async def lock_policy(connection: AsyncConnection, channel_id: UUID) -> UnlinkedRefundPolicy | None:
    """Return the limits that a channel's refunds are counted against, with their lock."""
    row = (await connection.execute(_POLICY, {"channel_id": channel_id})).one_or_none()
    return None if row is None else UnlinkedRefundPolicy(*row)


async def spent(
    connection: AsyncConnection,
    channel_id: UUID,
    tokens: Sequence[str],
    reference: str,
    email: str | None,
    skus: Sequence[str],
    since: datetime,
) -> tuple[Spent, str | None]:
    """Return what uses a channel's limits up, and the number of the order that `reference` names, if any.

    `tokens` are all actors that are the person who asks.
    """
    values = {
        "channel_id": channel_id,
        "tokens": list(tokens),
        "reference": reference,
        "email": email,
        "skus": list(skus),
        "since": since,
    }
    row = (await connection.execute(_SPENT, values)).one()
    return Spent(row.by_all, row.alone, row.is_flagged, row.similar_order_id), row.order_number


async def of_document(connection: AsyncConnection, channel_id: UUID, reference: str) -> list[str]:
    """Return the numbers of the refunds by which a document has brought money."""
    values = {"channel_id": channel_id, "document_key": document_key(reference)}
    return list(await connection.scalars(_OF_DOCUMENT, values))


async def policies(connection: AsyncConnection) -> list[UnlinkedRefundPolicy]:
    """Return the limits of all channels that have some."""
    return [UnlinkedRefundPolicy(*row) for row in await connection.execute(_POLICIES)]


async def set_policy(
    connection: AsyncConnection, new_id: UUID, policy: UnlinkedRefundPolicy
) -> UnlinkedRefundPolicy:
    """Write the limits of a channel; `new_id` is their id where there were none."""
    values = {
        "id": new_id,
        "channel_id": policy.channel_id,
        "four_eyes_above_minor": policy.four_eyes_above_minor,
        "most_minor": policy.most_minor,
        "most_per_day_minor": policy.most_per_day_minor,
        "alone_per_day_minor": policy.alone_per_day_minor,
    }
    return UnlinkedRefundPolicy(*(await connection.execute(_SET_POLICY, values)).one())


def _refund(row: Row[*tuple[Any, ...]]) -> UnlinkedRefund:
    return UnlinkedRefund(
        row.id,
        row.number,
        row.channel_id,
        row.currency,
        UnlinkedRefundStatus(row.status),
        Recipient(row.email, row.external_id),
        Evidence(row.reason, row.document_reference),
        tuple(_line(*record) for record in row.lines or ()),
        row.created_at,
        row.created_by,
        row.keeps_items,
        row.document_known,
        row.similar_order_id,
        row.decided_by,
        row.decided_at,
        row.note,
        row.location_id,
        UnlinkedRefundMethod(row.method) if row.method else None,
        row.payment_reference,
        row.stored_value_id,
        row.paid_minor,
        row.paid_by,
        row.paid_at,
        tuple(_payment(*record) for record in row.payments or ()),
        tuple(
            Link(UUID(line), UUID(order), UUID(order_line), units)
            for line, order, order_line, units in row.links or ()
        ),
        NotificationState(row.told) if row.told else None,
        row.version,
    )


def _payment(
    payment_id: str,
    provider: str,
    status: str,
    amount_minor: int,
    requested_by: str,
    requested_at: str,
    reference: str | None,
    decline_code: str | None,
    settled_at: str | None,
) -> RefundPayment:
    return RefundPayment(
        UUID(payment_id),
        provider,
        RefundPaymentStatus(status),
        amount_minor,
        requested_by,
        datetime.fromisoformat(requested_at),
        reference,
        decline_code,
        datetime.fromisoformat(settled_at) if settled_at else None,
    )


def _line(line_id: str, variant_id: str | None, sku: str, *rest: int) -> UnlinkedRefundLine:
    return UnlinkedRefundLine(UUID(line_id), UUID(variant_id) if variant_id else None, sku, *rest)
