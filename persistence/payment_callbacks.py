"""SQL of payment callbacks: stored once, leased to be applied, settled once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.payment_callbacks import (
    CALLBACK_TRANSITIONS,
    CallbackState,
    PaymentCallback,
    Verdict,
    key_of,
    transaction_named,
)
from domain.payments import TransactionKind
from domain.ports import Outcome, ProviderEvent
from persistence.json_text import json_text
from persistence.status_changes import changes_to

_NOW = bindparam("now", type_=DateTime(timezone=True))
_MAY_BE_RESOLVED = changes_to(CallbackState.RESOLVED, CALLBACK_TRANSITIONS, CallbackState.SET_ASIDE)
_MAY_BE_DOUBTED = changes_to(CallbackState.SET_ASIDE, CALLBACK_TRANSITIONS, CallbackState.IGNORED)

_COLUMNS = (
    "c.id, c.provider, c.event_id, c.reference, c.change_reference, c.request_id, c.kind, c.outcome,"
    " c.currency, c.amount_minor, c.decline_code, c.occurred_at, c.received_at, c.state, c.reason,"
    " c.payment_id, c.attempts, c.settled_at, c.note, c.resolved_at"
)
_STORE = text(
    """
    INSERT INTO payment_callbacks
           (id, provider, event_id, reference, change_reference, request_id, kind, outcome, currency,
            amount_minor, decline_code, occurred_at, received_at, state, next_attempt_at)
    SELECT e.id, :provider, e.event_id, e.reference, e.change_reference, e.request_id, e.kind, e.outcome,
           e.currency, e.amount_minor, e.decline_code, e.occurred_at, :now, 'RECEIVED', :now
      FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e
           (id uuid, event_id text, reference text, change_reference text, request_id uuid, kind text,
            outcome text, currency text, amount_minor bigint, decline_code text, occurred_at timestamptz)
     ORDER BY e.event_id
    ON CONFLICT (provider, event_id) DO NOTHING
    RETURNING id
    """
).bindparams(_NOW)
# Leased by moving the next attempt on, so that two runs never work at the same together. The payment is
# found by its provider's name for it or, where we do not know that yet, by our own transaction.
_LEASE = text(
    f"""
    WITH due AS (
        SELECT id, provider, reference, request_id FROM payment_callbacks
         WHERE state = 'RECEIVED' AND next_attempt_at <= :now
         ORDER BY next_attempt_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    ), found AS (
        SELECT due.id, coalesce(named.id, asked.id) AS payment_id,
               CASE WHEN named.id IS NULL THEN asked.order_id ELSE named.order_id END AS order_id
          FROM due
          LEFT JOIN LATERAL (
                SELECT p.id, p.order_id FROM payments p
                 WHERE p.provider = due.provider AND p.provider_reference = due.reference
                 ORDER BY p.id LIMIT 1) named ON true
          LEFT JOIN LATERAL (
                SELECT p.id, p.order_id FROM payment_transactions t JOIN payments p ON p.id = t.payment_id
                 WHERE t.id = due.request_id AND p.provider = due.provider) asked ON true
    )
    UPDATE payment_callbacks c
       SET attempts = c.attempts + 1, next_attempt_at = :leased_until, payment_id = found.payment_id
      FROM found WHERE c.id = found.id
    RETURNING {_COLUMNS}, found.order_id
    """
).bindparams(_NOW, bindparam("leased_until", type_=DateTime(timezone=True)))
# Under the lock of its order, if there is one: what is settled meanwhile is not there any more.
_LOCK_RECEIVED = text(
    "SELECT id FROM payment_callbacks WHERE id = :id AND state = 'RECEIVED' FOR NO KEY UPDATE"
)
# Others about the same payment may fit now.
_SETTLE = text(
    """
    WITH settled AS (
        UPDATE payment_callbacks SET state = :state, reason = :reason, settled_at = :now
         WHERE id = :id AND state = 'RECEIVED'
        RETURNING id, payment_id
    ), others AS (
        UPDATE payment_callbacks c SET next_attempt_at = :now
          FROM settled WHERE c.payment_id = settled.payment_id AND c.id <> settled.id
           AND c.state = 'RECEIVED' AND c.next_attempt_at > :now
    )
    SELECT id FROM settled
    """
).bindparams(_NOW, bindparam("reason", type_=Text()))
_CONTRADICT = text(
    f"""
    UPDATE payment_callbacks SET state = 'SET_ASIDE', reason = :reason, settled_at = :now
     WHERE provider = :provider AND change_reference = :change_reference AND kind = :kind
       AND id <> :id AND outcome = 'DECLINED' AND state {_MAY_BE_DOUBTED}
    RETURNING id
    """
).bindparams(_NOW)
_POSTPONE = text(
    "UPDATE payment_callbacks SET next_attempt_at = :next_attempt_at WHERE id = :id AND state = 'RECEIVED'"
).bindparams(bindparam("next_attempt_at", type_=DateTime(timezone=True)))
# Only one that has not just been asked about: callbacks do not make the sweep ask more often than it would.
_HASTEN = text(
    """
    WITH hastened AS (
        UPDATE payment_transactions SET next_attempt_at = :now
         WHERE payment_id = :payment_id AND kind = :kind AND status IN ('REQUESTED', 'ACTION_REQUIRED')
           AND next_attempt_at > :now
    )
    UPDATE payment_callbacks SET next_attempt_at = :next_attempt_at WHERE id = :id AND state = 'RECEIVED'
    """
).bindparams(_NOW, bindparam("next_attempt_at", type_=DateTime(timezone=True)))
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM payment_callbacks c
     WHERE (CAST(:state AS text) IS NULL OR c.state = :state)
       AND (CAST(:after_id AS uuid) IS NULL OR (c.received_at, c.id) > (:after_received_at, :after_id))
     ORDER BY c.received_at, c.id LIMIT :limit
    """
).bindparams(
    bindparam("state", type_=Text()),
    bindparam("after_id", type_=Uuid()),
    bindparam("after_received_at", type_=DateTime(timezone=True)),
)
_BY_ID = text(f"SELECT {_COLUMNS} FROM payment_callbacks c WHERE c.id = :id")
_LOCK = text(f"SELECT {_COLUMNS} FROM payment_callbacks c WHERE c.id = :id FOR NO KEY UPDATE")
_RESOLVE = text(
    f"""
    UPDATE payment_callbacks c
       SET state = 'RESOLVED', note = :note, resolved_by = :actor, resolved_at = :now
     WHERE c.id = :id AND c.state {_MAY_BE_RESOLVED}
    RETURNING {_COLUMNS}
    """
).bindparams(_NOW)
_SET_ASIDE = text("SELECT count(*) FROM payment_callbacks WHERE state = 'SET_ASIDE'")


@dataclass(frozen=True, slots=True)
class DueCallback:
    """A callback to be applied, leased, and the order of its payment if there is one yet."""

    callback: PaymentCallback
    order_id: UUID | None


async def store(
    connection: AsyncConnection, provider: str, events: Sequence[ProviderEvent], *, now: datetime
) -> int:
    """Store events that are not stored yet; returns how many were new."""
    packed = json_text([_packed(one) for one in events])
    stored = await connection.execute(_STORE, {"provider": provider, "events": packed, "now": now})
    return len(stored.all())


async def lease_due(
    connection: AsyncConnection, *, most: int, now: datetime, leased_until: datetime
) -> list[DueCallback]:
    """Take up to `most` callbacks that are still to be applied, for this caller alone; oldest first."""
    rows = await connection.execute(_LEASE, {"most": most, "now": now, "leased_until": leased_until})
    due = [DueCallback(_callback(row), row.order_id) for row in rows]
    return sorted(due, key=lambda one: (one.callback.event.occurred_at, one.callback.event.id))


async def lock_received(connection: AsyncConnection, callback_id: UUID) -> bool:
    """Lock a callback that is still to be applied; False when somebody has settled it meanwhile."""
    return (await connection.execute(_LOCK_RECEIVED, {"id": callback_id})).first() is not None


async def settle(connection: AsyncConnection, callback_id: UUID, verdict: Verdict, *, now: datetime) -> bool:
    """Record what became of a callback, and let others of its payment be looked at; False when it was."""
    values = {"id": callback_id, "state": verdict.state.value, "reason": verdict.reason, "now": now}
    return (await connection.execute(_SETTLE, values)).first() is not None


async def contradict(
    connection: AsyncConnection, callback: PaymentCallback, reason: str, *, now: datetime
) -> int:
    """Set aside what said before that the movement of `callback` had not happened; returns how many."""
    values = {
        "id": callback.id,
        "provider": callback.provider,
        "change_reference": callback.event.change_reference,
        "kind": callback.event.kind.value,
        "reason": reason,
        "now": now,
    }
    return len((await connection.execute(_CONTRADICT, values)).all())


async def postpone(connection: AsyncConnection, callback_id: UUID, *, next_attempt_at: datetime) -> None:
    """Look at a callback again later."""
    await connection.execute(_POSTPONE, {"id": callback_id, "next_attempt_at": next_attempt_at})


async def ask_at_once(
    connection: AsyncConnection, callback: PaymentCallback, *, now: datetime, next_attempt_at: datetime
) -> None:
    """Make what is open of the callback's payment and kind due for the sweep, and look again later."""
    values = {
        "id": callback.id,
        "payment_id": callback.payment_id,
        "kind": callback.event.kind.value,
        "now": now,
        "next_attempt_at": next_attempt_at,
    }
    await connection.execute(_HASTEN, values)


async def page(
    connection: AsyncConnection,
    state: CallbackState | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[PaymentCallback]:
    """Return up to `limit` callbacks, oldest first; `after` is the key of the one before the page."""
    after_received_at, after_id = after or (None, None)
    values = {
        "state": state and state.value,
        "limit": limit,
        "after_received_at": after_received_at,
        "after_id": after_id,
    }
    return [_callback(row) for row in await connection.execute(_PAGE, values)]


async def by_id(
    connection: AsyncConnection, callback_id: UUID, *, lock: bool = False
) -> PaymentCallback | None:
    """Return one callback, locked if wished."""
    row = (await connection.execute(_LOCK if lock else _BY_ID, {"id": callback_id})).first()
    return _callback(row) if row else None


async def resolve(
    connection: AsyncConnection, callback_id: UUID, note: str, *, actor: str, now: datetime
) -> PaymentCallback:
    """Record that a person has dealt with a callback that was set aside and is locked."""
    values = {"id": callback_id, "note": note, "actor": actor, "now": now}
    return _callback((await connection.execute(_RESOLVE, values)).one())


async def count_set_aside(connection: AsyncConnection) -> int:
    """Return how many wait for a person."""
    return int(await connection.scalar(_SET_ASIDE) or 0)


def _packed(event: ProviderEvent) -> dict[str, Any]:
    return {
        "id": new_id(),
        "event_id": event.id,
        "reference": event.reference,
        "change_reference": event.change_reference,
        "request_id": transaction_named(event.key),
        "kind": event.kind.value,
        "outcome": event.outcome.value,
        "currency": event.amount.currency,
        "amount_minor": event.amount.amount_minor,
        "decline_code": event.decline_code,
        "occurred_at": event.occurred_at,
    }


def _callback(row: Row[*tuple[Any, ...]]) -> PaymentCallback:
    event = ProviderEvent(
        id=row.event_id,
        kind=TransactionKind(row.kind),
        outcome=Outcome(row.outcome),
        reference=row.reference,
        change_reference=row.change_reference,
        amount=Money(row.amount_minor, row.currency),
        occurred_at=row.occurred_at,
        key=row.request_id and key_of(row.request_id),
        decline_code=row.decline_code,
    )
    return PaymentCallback(
        id=row.id,
        provider=row.provider,
        event=event,
        state=CallbackState(row.state),
        received_at=row.received_at,
        attempts=row.attempts,
        reason=row.reason,
        payment_id=row.payment_id,
        settled_at=row.settled_at,
        note=row.note,
        resolved_at=row.resolved_at,
    )
