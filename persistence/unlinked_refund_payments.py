"""SQL of what is asked of providers for refunds without an order: written once, leased, settled once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.money import Money
from domain.unlinked_refunds import RefundPayment

_CREATE = text(
    """
    INSERT INTO unlinked_refund_payments (id, unlinked_refund_id, provider, destination, status, amount_minor,
           requested_by, requested_at, next_attempt_at)
    VALUES (:id, :refund_id, :provider, :destination, :status, :amount_minor, :requested_by, :requested_at,
            :next_attempt_at)
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "refund_id")),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("requested_at", "next_attempt_at")),
)
# Whereto it went is nobody's business any more once it is decided.
_SETTLE = text(
    """
    UPDATE unlinked_refund_payments
       SET status = :status, provider_reference = :reference, decline_code = :decline_code,
           settled_at = :settled_at, destination = NULL
     WHERE id = :id AND status = 'REQUESTED'
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("settled_at", type_=DateTime(timezone=True)),
    *(bindparam(name, type_=Text()) for name in ("reference", "decline_code")),
)
# Leased by moving the next attempt on, so that two sweeps never ask together.
_LEASE = text(
    """
    WITH due AS (
        SELECT id FROM unlinked_refund_payments WHERE status = 'REQUESTED' AND next_attempt_at <= :now
         ORDER BY next_attempt_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE unlinked_refund_payments p SET attempts = p.attempts + 1, next_attempt_at = :leased_until
      FROM due, unlinked_refunds r WHERE p.id = due.id AND r.id = p.unlinked_refund_id
    RETURNING p.id, p.unlinked_refund_id, p.provider, p.destination, p.amount_minor, r.currency, p.attempts,
              p.requested_at
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)), bindparam("leased_until", type_=DateTime(timezone=True))
)
_POSTPONE = text(
    "UPDATE unlinked_refund_payments SET next_attempt_at = :at WHERE id = :id AND status = 'REQUESTED'"
).bindparams(bindparam("id", type_=Uuid()), bindparam("at", type_=DateTime(timezone=True)))
_HASTEN = text(
    """
    UPDATE unlinked_refund_payments SET next_attempt_at = :now
     WHERE id = :id AND status = 'REQUESTED' AND next_attempt_at > :now
    """
).bindparams(bindparam("id", type_=Uuid()), bindparam("now", type_=DateTime(timezone=True)))
_REFUND_OF = text(
    "SELECT unlinked_refund_id FROM unlinked_refund_payments WHERE id = :id AND provider = :provider"
).bindparams(bindparam("id", type_=Uuid()))


@dataclass(frozen=True, slots=True)
class DuePayment:
    """A request to a provider whose outcome is not known, for this caller alone to find out."""

    id: UUID
    refund_id: UUID
    provider: str
    destination: str
    amount: Money
    requested_at: datetime
    attempts: int = 0


async def create(
    connection: AsyncConnection,
    refund_id: UUID,
    asked: RefundPayment,
    destination: str,
    next_attempt_at: datetime,
) -> None:
    """Insert what a provider is to be asked for a refund, whose lock the caller has."""
    await connection.execute(
        _CREATE,
        {
            "id": asked.id,
            "refund_id": refund_id,
            "provider": asked.provider,
            "destination": destination,
            "status": asked.status.value,
            "amount_minor": asked.amount_minor,
            "requested_by": asked.requested_by,
            "requested_at": asked.requested_at,
            "next_attempt_at": next_attempt_at,
        },
    )


async def settle(connection: AsyncConnection, asked: RefundPayment) -> None:
    """Write what became of a request; its refund's lock the caller has."""
    values = {
        "id": asked.id,
        "status": asked.status.value,
        "reference": asked.reference,
        "decline_code": asked.decline_code,
        "settled_at": asked.settled_at,
    }
    await connection.execute(_SETTLE, values)


async def lease_due(
    connection: AsyncConnection, *, most: int, now: datetime, leased_until: datetime
) -> list[DuePayment]:
    """Take up to `most` requests whose answer is overdue, for this caller alone."""
    rows = await connection.execute(_LEASE, {"most": most, "now": now, "leased_until": leased_until})
    return [
        DuePayment(
            row.id,
            row.unlinked_refund_id,
            row.provider,
            row.destination,
            Money(row.amount_minor, row.currency),
            row.requested_at,
            row.attempts,
        )
        for row in rows
    ]


async def postpone(connection: AsyncConnection, payment_id: UUID, *, at: datetime) -> None:
    """Ask about an open request later."""
    await connection.execute(_POSTPONE, {"id": payment_id, "at": at})


async def hasten(connection: AsyncConnection, payment_id: UUID, *, now: datetime) -> None:
    """Make an open request due for the sweep."""
    await connection.execute(_HASTEN, {"id": payment_id, "now": now})


async def refund_of(connection: AsyncConnection, payment_id: UUID, provider: str) -> UUID | None:
    """Return the refund that a request to a provider is for, if there is such a request."""
    found: UUID | None = await connection.scalar(_REFUND_OF, {"id": payment_id, "provider": provider})
    return found
