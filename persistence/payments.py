"""SQL of payments: reading them, and the outcome of each request to a provider in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Row, Text, Uuid, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carts import TRANSITIONS, CartStatus
from domain.payments import (
    TRANSACTION_TRANSITIONS,
    Payment,
    PaymentStatus,
    PaymentTransaction,
    TransactionKind,
    TransactionStatus,
)
from persistence.discount_uses import releasing
from persistence.json_text import json_text
from persistence.status_changes import changes_to
from persistence.tables.payments import payments

_COLUMNS = (
    payments.c.id,
    payments.c.provider,
    payments.c.method,
    payments.c.status,
    payments.c.currency,
    payments.c.amount_minor,
    payments.c.authorized_minor,
    payments.c.captured_minor,
    payments.c.refunded_minor,
    payments.c.order_id,
    payments.c.provider_reference,
    payments.c.capturing_minor,
    payments.c.voiding_minor,
    payments.c.refunding_minor,
    payments.c.charged_back_minor,
    payments.c.expires_at,
    payments.c.buyer_reference,
    payments.c.due_at,
    payments.c.credited_minor,
)
_BY_IDS = select(*_COLUMNS).where(payments.c.id.in_(bindparam("ids", expanding=True)))

_NOW = bindparam("now", type_=DateTime(timezone=True))
_UUIDS = {
    name: bindparam(name, type_=Uuid()) for name in ("cart_id", "transaction_id", "void_id", "order_id")
}

_UNDECIDED = (TransactionStatus.REQUESTED, TransactionStatus.ACTION_REQUIRED)
_MAY_SUCCEED = changes_to(TransactionStatus.SUCCEEDED, TRANSACTION_TRANSITIONS, *_UNDECIDED)
_MAY_FAIL = changes_to(TransactionStatus.FAILED, TRANSACTION_TRANSITIONS, *_UNDECIDED)
_MAY_WAIT = changes_to(TransactionStatus.ACTION_REQUIRED, TRANSACTION_TRANSITIONS, *_UNDECIDED)
# What a payment keeps for its request alone goes when that is decided: the token, and what was to be done.
WITHOUT_SECRETS = "placement - CAST('{means,action}' AS text[])"
_MAY_REOPEN = changes_to(CartStatus.ACTIVE, TRANSITIONS, CartStatus.CHECKOUT)

# Whoever settles locks the cart first, as everybody does; nothing matches when it was settled before.
_OPEN = f"""
    locked AS (
        SELECT k.id FROM carts k WHERE k.id = :cart_id AND k.status {_MAY_REOPEN} FOR NO KEY UPDATE
    )
"""
_REOPEN_CART = """
    UPDATE carts k SET status = 'ACTIVE', version = k.version + 1, active_at = :now
      FROM settled WHERE k.id = :cart_id
    RETURNING k.version
"""
_RELEASED = releasing("FROM settled WHERE u.cart_id = :cart_id AND u.state = 'RESERVED'")
_DECLINE = text(
    f"""
    WITH {_OPEN}, settled AS (
        UPDATE payment_transactions t
           SET status = 'FAILED', settled_at = :now, decline_code = :decline_code,
               provider_reference = :reference
          FROM locked WHERE t.id = :transaction_id AND t.status {_MAY_FAIL}
        RETURNING t.payment_id, t.amount_minor
    ), failed AS (
        UPDATE payments p SET status = 'FAILED', version = p.version + 1, provider_reference = :reference,
               placement = {WITHOUT_SECRETS}
          FROM settled WHERE p.id = settled.payment_id
    ), void AS (
        INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, provider_reference,
                                          requested_at, next_attempt_at)
        SELECT :void_id, payment_id, 'VOID', 'REQUESTED', amount_minor, :reference, :now, :now
          FROM settled WHERE :void_id IS NOT NULL
    ), {_RELEASED}
    {_REOPEN_CART}
    """
).bindparams(_NOW, _UUIDS["cart_id"], _UUIDS["void_id"], bindparam("reference", type_=Text()))
_APPROVED_IN_VAIN = text(
    f"""
    WITH {_OPEN}, settled AS (
        UPDATE payment_transactions t
           SET status = 'SUCCEEDED', settled_at = :now, amount_minor = :authorized_minor,
               provider_reference = :reference, decline_code = :reason
          FROM locked WHERE t.id = :transaction_id AND t.status {_MAY_SUCCEED}
        RETURNING t.payment_id
    ), authorized AS (
        UPDATE payments p SET status = :status, authorized_minor = :authorized_minor,
               provider_reference = :reference, version = p.version + 1,
               placement = {WITHOUT_SECRETS}
          FROM settled WHERE p.id = settled.payment_id
    ), void AS (
        INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, provider_reference,
                                          requested_at, next_attempt_at)
        SELECT :void_id, payment_id, 'VOID', 'REQUESTED', :authorized_minor, :reference, :now,
               :next_attempt_at
          FROM settled WHERE :void_id IS NOT NULL
    ), {_RELEASED}
    {_REOPEN_CART}
    """
).bindparams(
    _NOW,
    _UUIDS["cart_id"],
    _UUIDS["void_id"],
    bindparam("reference", type_=Text()),
    bindparam("next_attempt_at", type_=DateTime(timezone=True)),
)
_POSTPONE = text(
    f"""
    WITH waiting AS (
        UPDATE payment_transactions
           SET next_attempt_at = :next_attempt_at,
               status = CASE WHEN :action IS NULL THEN status ELSE 'ACTION_REQUIRED' END
         WHERE id = :transaction_id AND status {_MAY_WAIT}
        RETURNING payment_id
    )
    UPDATE payments p SET status = 'ACTION_REQUIRED', version = p.version + 1,
           placement = coalesce(p.placement, '{{}}') || jsonb_build_object('action', CAST(:action AS jsonb))
      FROM waiting WHERE p.id = waiting.payment_id AND :action IS NOT NULL AND p.status = 'PENDING'
    """
).bindparams(bindparam("action", type_=Text()))
# Only where nobody is asking right now: whoever does has put the next attempt off by no more than a lease.
_AWAITED = text(
    """
    WITH hastened AS (
        UPDATE payment_transactions SET next_attempt_at = :now
         WHERE payment_id = :payment_id AND status = 'ACTION_REQUIRED' AND next_attempt_at > :leased_until
    )
    SELECT placement -> 'action' AS action FROM payments WHERE id = :payment_id
    """
).bindparams(
    _NOW,
    bindparam("payment_id", type_=Uuid()),
    bindparam("leased_until", type_=DateTime(timezone=True)),
)
# A due transaction is leased by moving its next attempt on, so that two sweeps never ask together.
_LEASE = text(
    """
    WITH due AS (
        SELECT id FROM payment_transactions
         WHERE status IN ('REQUESTED', 'ACTION_REQUIRED') AND next_attempt_at <= :now
         ORDER BY next_attempt_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE payment_transactions t SET attempts = t.attempts + 1, next_attempt_at = :leased_until
      FROM due, payments p
     WHERE t.id = due.id AND p.id = t.payment_id
    RETURNING t.id, t.kind, t.status, t.attempts, t.provider_reference, t.requested_at,
              t.amount_minor AS moved_minor, p.id AS payment_id, p.provider, p.method, p.currency,
              p.amount_minor, p.provider_reference AS payment_reference, p.buyer_reference, p.due_at,
              p.cart_id, p.order_id, p.placement,
              (SELECT a.id FROM payment_transactions a
                WHERE a.payment_id = p.id AND a.kind = 'AUTHORIZATION'
                ORDER BY a.requested_at DESC LIMIT 1) AS authorization_id
    """
)
_VOIDED = text(
    f"""
    WITH settled AS (
        UPDATE payment_transactions SET status = 'SUCCEEDED', settled_at = :now
         WHERE id = :transaction_id AND status {_MAY_SUCCEED}
        RETURNING payment_id
    ), voided AS (
        UPDATE payments p SET status = CASE p.status WHEN 'FAILED' THEN p.status ELSE 'VOIDED' END,
               version = p.version + 1
          FROM settled WHERE p.id = settled.payment_id
    )
    SELECT payment_id FROM settled
    """
)


@dataclass(frozen=True, slots=True)
class DueTransaction:
    """A request to a provider whose outcome is not known, leased to be found out."""

    id: UUID
    kind: TransactionKind
    attempts: int
    requested_at: datetime
    reference: str | None
    """The provider's name for what is to be voided; None where it never told."""
    authorization_id: UUID
    """The transaction that asked for the payment: itself, or the one that a VOID undoes."""
    payment: Payment
    cart_id: UUID | None
    placement: dict[str, Any]
    transaction: PaymentTransaction
    """The request itself."""


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """Return payments by id."""
    return {row.id: payment_of(row) for row in await connection.execute(_BY_IDS, {"ids": list(ids)})}


async def decline(
    connection: AsyncConnection,
    cart_id: UUID,
    transaction_id: UUID,
    *,
    decline_code: str,
    reference: str | None,
    now: datetime,
    void_id: UUID | None = None,
) -> int | None:
    """Record that nothing comes of a payment and give the cart back; its version, None when settled before.

    With `void_id` the provider is yet to be told, by a sweep: for a payment that it may still approve.
    """
    values = {
        "cart_id": cart_id,
        "transaction_id": transaction_id,
        "decline_code": decline_code,
        "reference": reference,
        "void_id": void_id,
        "now": now,
    }
    version: int | None = await connection.scalar(_DECLINE, values)
    return version


async def approve_in_vain(
    connection: AsyncConnection,
    cart_id: UUID,
    transaction_id: UUID,
    void_id: UUID | None,
    *,
    status: PaymentStatus,
    authorized_minor: int,
    reference: str,
    reason: str,
    now: datetime,
    next_attempt_at: datetime,
) -> int | None:
    """Record an approval that no order can be placed with: give the cart back, and intend a void.

    None for `void_id` where no provider is to be asked for one.
    Returns the cart's version, None when the transaction was settled before.
    """
    values = {
        "cart_id": cart_id,
        "transaction_id": transaction_id,
        "void_id": void_id,
        "status": status.value,
        "authorized_minor": authorized_minor,
        "reference": reference,
        "reason": reason,
        "now": now,
        "next_attempt_at": next_attempt_at,
    }
    version: int | None = await connection.scalar(_APPROVED_IN_VAIN, values)
    return version


async def postpone(
    connection: AsyncConnection,
    transaction_id: UUID,
    *,
    next_attempt_at: datetime,
    action: Mapping[str, str] | None = None,
) -> None:
    """Let the sweep ask again at `next_attempt_at`; keep what the shopper has to do first, if that is it."""
    values = {
        "transaction_id": transaction_id,
        "next_attempt_at": next_attempt_at,
        "action": None if action is None else json_text(dict(action)),
    }
    await connection.execute(_POSTPONE, values)


async def awaited_action(
    connection: AsyncConnection, payment_id: UUID, *, now: datetime, leased_until: datetime
) -> dict[str, str] | None:
    """Return what the shopper has to do for a payment, and make the next look at it due `now`.

    Unless it is due before `leased_until` anyway.
    """
    values = {"payment_id": payment_id, "now": now, "leased_until": leased_until}
    action: dict[str, str] | None = await connection.scalar(_AWAITED, values)
    return action


async def lease_due(
    connection: AsyncConnection, *, most: int, now: datetime, leased_until: datetime
) -> list[DueTransaction]:
    """Take up to `most` transactions whose outcome is to be found out, for this caller alone."""
    rows = await connection.execute(_LEASE, {"most": most, "now": now, "leased_until": leased_until})
    return [_due(row) for row in rows]


async def settle_void(connection: AsyncConnection, transaction_id: UUID, *, now: datetime) -> bool:
    """Record that a payment was given up; False when that was recorded before."""
    row = await connection.execute(_VOIDED, {"transaction_id": transaction_id, "now": now})
    return row.first() is not None


def payment_of(row: Row[*tuple[Any, ...]]) -> Payment:
    """Return the payment of a row with the payments' columns."""
    return Payment(
        row.id,
        row.provider,
        row.method,
        PaymentStatus(row.status),
        row.currency,
        row.amount_minor,
        row.authorized_minor,
        row.captured_minor,
        row.refunded_minor,
        row.order_id,
        row.provider_reference,
        row.capturing_minor,
        row.voiding_minor,
        row.refunding_minor,
        row.charged_back_minor,
        row.expires_at,
        row.buyer_reference,
        row.due_at,
        row.credited_minor,
    )


def _due(row: Row[*tuple[Any, ...]]) -> DueTransaction:
    payment = Payment(
        row.payment_id,
        row.provider,
        row.method,
        PaymentStatus.PENDING,
        row.currency,
        row.amount_minor,
        order_id=row.order_id,
        reference=row.payment_reference,
        buyer_reference=row.buyer_reference,
        due_at=row.due_at,
    )
    kind = TransactionKind(row.kind)
    transaction = PaymentTransaction(
        row.id,
        row.payment_id,
        kind,
        TransactionStatus(row.status),
        row.moved_minor,
        row.requested_at,
        reference=row.provider_reference,
    )
    return DueTransaction(
        row.id,
        kind,
        row.attempts,
        row.requested_at,
        row.provider_reference,
        row.authorization_id,
        payment,
        row.cart_id,
        row.placement or {},
        transaction,
    )
