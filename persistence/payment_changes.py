"""SQL of what is asked of payments of orders: lock all that decides, write what was decided, each at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.channels import CapturePolicy
from domain.orders import Order
from domain.payment_means import PaymentMeans
from domain.payments import Payment, PaymentTransaction, TransactionKind, TransactionStatus
from persistence.json_text import json_text
from persistence.order_parts import PARTS_SQL, parts
from persistence.orders import ORDER_COLUMNS, order_of
from persistence.payments import WITHOUT_SECRETS

_TRANSACTION = """
    t.id, t.payment_id, t.kind, t.status, t.amount_minor, t.requested_at, t.settled_at,
    t.provider_reference, t.decline_code, t.reason
"""
# As with orders: subqueries are as of the statement's start, so a row waited for is read again. Whoever
# changes a payment makes a version of its order, or this would not be seen.
_LOCK = text(
    f"""
    SELECT {ORDER_COLUMNS}, {PARTS_SQL},
           (SELECT h.capture_policy FROM channels h WHERE h.id = o.channel_id) AS capture_policy,
           (SELECT h.hold_unpaid FROM channels h WHERE h.id = o.channel_id) AS hold_unpaid,
           (SELECT h.payment_terms_days FROM channels h WHERE h.id = o.channel_id) AS payment_terms_days,
           (SELECT jsonb_agg(jsonb_build_array({_TRANSACTION}) ORDER BY t.id)
              FROM payment_transactions t JOIN payments p ON p.id = t.payment_id
             WHERE p.order_id = o.id) AS transactions,
           (SELECT k.version FROM orders k WHERE k.id = o.id) AS seen_version
      FROM orders o
     WHERE o.id = coalesce(:order_id, (SELECT p.order_id FROM payments p WHERE p.id = :payment_id))
       FOR NO KEY UPDATE OF o
    """
).bindparams(bindparam("order_id", type_=Uuid()), bindparam("payment_id", type_=Uuid()))
_SAVE = text(
    f"""
    WITH paid AS (
        UPDATE payments p
           SET status = u.status, authorized_minor = u.authorized, captured_minor = u.captured,
               refunded_minor = u.refunded, capturing_minor = u.capturing, voiding_minor = u.voiding,
               refunding_minor = u.refunding, charged_back_minor = u.charged_back,
               credited_minor = u.credited,
               provider_reference = u.reference, expires_at = u.expires_at, version = p.version + 1,
               placement = CASE WHEN u.status IN ('PENDING', 'ACTION_REQUIRED') THEN placement
                                ELSE {WITHOUT_SECRETS} END
          FROM jsonb_to_recordset(CAST(:payments AS jsonb)) AS u (id uuid, status text, authorized bigint,
               captured bigint, refunded bigint, capturing bigint, voiding bigint, refunding bigint,
               charged_back bigint, credited bigint, reference text, expires_at timestamptz)
         WHERE p.id = u.id
    ), moved AS (
        INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, requested_at,
               settled_at, provider_reference, decline_code, reason, next_attempt_at)
        SELECT id, payment_id, kind, status, amount_minor, requested_at, settled_at, reference,
               decline_code, reason, :next_attempt_at
          FROM jsonb_to_recordset(CAST(:transactions AS jsonb)) AS u (id uuid, payment_id uuid, kind text,
               status text, amount_minor bigint, requested_at timestamptz, settled_at timestamptz,
               reference text, decline_code text, reason text)
        ON CONFLICT (id) DO UPDATE SET status = excluded.status, settled_at = excluded.settled_at,
               provider_reference = excluded.provider_reference, decline_code = excluded.decline_code,
               amount_minor = excluded.amount_minor
    )
    UPDATE orders SET status = :status, payment_status = :payment_status, version = :version,
           closed_at = :closed_at
     WHERE id = :order_id
    """
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("next_attempt_at", "closed_at")))
# What was tried to renew once, and is open or was refused, is not tried again by itself.
_EXPIRING = text(
    """
    SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
     WHERE p.status = 'AUTHORIZED' AND p.expires_at <= :until AND o.status = 'OPEN'
       AND p.capturing_minor = 0 AND p.voiding_minor = 0
       AND NOT EXISTS (SELECT FROM payment_transactions t
                        WHERE t.payment_id = p.id AND t.kind = 'AUTHORIZATION' AND t.status <> 'SUCCEEDED')
     ORDER BY p.expires_at, p.id LIMIT :most
    """
).bindparams(bindparam("until", type_=DateTime(timezone=True)))
_OF_PAYMENTS = text(
    f"SELECT {_TRANSACTION} FROM payment_transactions t WHERE t.payment_id = ANY (:ids) ORDER BY t.id"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_BY_IDS = text(f"SELECT {_TRANSACTION} FROM payment_transactions t WHERE t.id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)


_ADD = text(
    """
    WITH payment AS (
        INSERT INTO payments (id, order_id, provider, method, status, currency, amount_minor, placement,
               created_at, buyer_reference, due_at)
        VALUES (:id, :order_id, :provider, :method, :status, :currency, :amount_minor,
                CAST(:placement AS jsonb), :now, :buyer_reference, :due_at)
    ), request AS (
        INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, requested_at,
               next_attempt_at)
        VALUES (:request_id, :id, 'AUTHORIZATION', 'REQUESTED', :amount_minor, :now, :next_attempt_at)
    )
    UPDATE orders SET version = :version, payment_status = :payment_status WHERE id = :order_id
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "order_id", "request_id")),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "next_attempt_at", "due_at")),
    bindparam("amount_minor", type_=BigInteger()),
    bindparam("buyer_reference", type_=Text()),
)


@dataclass(frozen=True, slots=True)
class LockedPayments:
    """A locked order with its payments, all their transactions, and its channel's policy and terms."""

    order: Order
    payments: tuple[Payment, ...]
    transactions: tuple[PaymentTransaction, ...]
    capture_policy: CapturePolicy
    hold_unpaid: bool = False
    """Whether the channel keeps what is paid later until the money has come."""
    payment_terms_days: int | None = None

    def payment(self, payment_id: UUID) -> Payment:
        """Return one of the payments, known to be among them."""
        return next(one for one in self.payments if one.id == payment_id)

    def is_settled(self, transaction_id: UUID) -> bool:
        """Say whether the outcome of one of the transactions is recorded."""
        return any(one.id == transaction_id and one.settled_at is not None for one in self.transactions)

    def transactions_of(self, payment_id: UUID) -> list[PaymentTransaction]:
        """Return the transactions of one payment, oldest first."""
        return [one for one in self.transactions if one.payment_id == payment_id]


async def lock(
    connection: AsyncConnection, *, order_id: UUID | None = None, payment_id: UUID | None = None
) -> LockedPayments | None:
    """Lock an order, named by itself or by one of its payments; None when there is none."""
    values = {"order_id": order_id, "payment_id": payment_id}
    while True:
        row = (await connection.execute(_LOCK, values)).first()
        if row is None or row.version == row.seen_version:
            return _locked(row) if row else None


async def save(
    connection: AsyncConnection,
    order: Order,
    payments: Sequence[Payment],
    transactions: Sequence[PaymentTransaction],
    *,
    next_attempt_at: datetime,
) -> None:
    """Write changed payments and new or settled transactions of a locked order, its payment axis and status.

    What is still open may be asked about by the sweep from `next_attempt_at`.
    """
    await connection.execute(
        _SAVE,
        {
            "order_id": order.id,
            "status": order.status.value,
            "payment_status": order.payment_status.value,
            "version": order.version,
            "closed_at": order.closed_at,
            "payments": json_text([_payment_values(one) for one in payments]),
            "transactions": json_text(transactions),
            "next_attempt_at": next_attempt_at,
        },
    )


async def expiring(connection: AsyncConnection, *, until: datetime, most: int) -> list[UUID]:
    """Return payments of open orders that lapse by `until`, nothing captured of them, the soonest first."""
    rows = await connection.execute(_EXPIRING, {"until": until, "most": most})
    return [row.id for row in rows]


async def add(
    connection: AsyncConnection,
    order: Order,
    payment: Payment,
    request: PaymentTransaction,
    means: PaymentMeans,
    *,
    next_attempt_at: datetime,
) -> None:
    """Write one more payment of a locked order, and the intent to ask for it."""
    values = {
        "id": payment.id,
        "order_id": order.id,
        "provider": payment.provider,
        "method": payment.method,
        "status": payment.status.value,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "placement": json_text({"means": means.to_json()}),
        "buyer_reference": payment.buyer_reference,
        "due_at": payment.due_at,
        "request_id": request.id,
        "now": request.requested_at,
        "next_attempt_at": next_attempt_at,
        "version": order.version,
        "payment_status": order.payment_status.value,
    }
    await connection.execute(_ADD, values)


async def transactions_of(
    connection: AsyncConnection, payment_ids: Sequence[UUID]
) -> dict[UUID, list[PaymentTransaction]]:
    """Return the transactions of many payments, oldest first, by payment."""
    found: dict[UUID, list[PaymentTransaction]] = {}
    for row in await connection.execute(_OF_PAYMENTS, {"ids": list(payment_ids)}):
        found.setdefault(row.payment_id, []).append(_transaction(row))
    return found


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, PaymentTransaction]:
    """Return transactions by id."""
    rows = await connection.execute(_BY_IDS, {"ids": list(ids)})
    return {row.id: _transaction(row) for row in rows}


def _payment_values(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.id,
        "status": payment.status,
        "authorized": payment.authorized_minor,
        "captured": payment.captured_minor,
        "refunded": payment.refunded_minor,
        "capturing": payment.capturing_minor,
        "voiding": payment.voiding_minor,
        "refunding": payment.refunding_minor,
        "charged_back": payment.charged_back_minor,
        "credited": payment.credited_minor,
        "reference": payment.reference,
        "expires_at": payment.expires_at,
    }


def _locked(row: Row[*tuple[Any, ...]]) -> LockedPayments:
    return LockedPayments(
        order_of(row),
        parts(row).payments,
        tuple(_transaction_record(record) for record in row.transactions or ()),
        CapturePolicy(row.capture_policy),
        row.hold_unpaid,
        row.payment_terms_days,
    )


def _transaction_record(record: Sequence[Any]) -> PaymentTransaction:
    transaction_id, payment_id, kind, status, amount, requested_at, settled_at, *texts = record
    return PaymentTransaction(
        UUID(transaction_id),
        UUID(payment_id),
        TransactionKind(kind),
        TransactionStatus(status),
        amount,
        datetime.fromisoformat(requested_at),
        datetime.fromisoformat(settled_at) if settled_at else None,
        *texts,
    )


def _transaction(row: Row[*tuple[Any, ...]]) -> PaymentTransaction:
    return PaymentTransaction(
        row.id,
        row.payment_id,
        TransactionKind(row.kind),
        TransactionStatus(row.status),
        row.amount_minor,
        row.requested_at,
        row.settled_at,
        row.provider_reference,
        row.decline_code,
        row.reason,
    )
