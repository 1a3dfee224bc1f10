"""SQL of notifications: each thing written once, claimed to be sent, saved by whoever has the claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Interval, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.ids import new_id
from domain.notifications import (
    OLDEST_NEWS,
    TRANSITIONS,
    News,
    Notification,
    NotificationKind,
    NotificationState,
)
from persistence.json_text import json_text
from persistence.status_changes import changes_to

_NOW = bindparam("now", type_=DateTime(timezone=True))
_LATER = bindparam("later", type_=DateTime(timezone=True))
_COLUMNS = (
    "n.id, n.order_id, n.kind, n.subject_key, n.recipient, n.locale, n.state, n.created_at, n.begun_at,"
    " n.next_attempt_at, n.facts, n.attempts, n.repeats, n.generation, n.reason, n.sender, n.ended_at,"
    " n.unlinked_refund_id"
)
# The database's clock: a consumer is given no other.
_WRITE = text(
    """
    INSERT INTO notifications (id, order_id, kind, subject_key, recipient, locale, state, facts, created_at,
                               begun_at, next_attempt_at)
    SELECT e.id, o.id, e.kind, e.subject_key, o.email, coalesce(o.locale, c.locale), 'PENDING', e.facts,
           now(), now(), now()
      FROM ROWS FROM (jsonb_to_recordset(CAST(:news AS jsonb)) AS
           (id uuid, order_id uuid, kind text, subject_key text, facts jsonb, occurred_at timestamptz))
           WITH ORDINALITY AS e
      JOIN orders o ON o.id = e.order_id
      JOIN channels c ON c.id = o.channel_id
     WHERE o.email <> '' AND o.placed AND NOT o.imported AND e.occurred_at > now() - :oldest
       AND e.kind <> ALL (c.muted_notifications)
       -- What goes back for a return is told with the return.
       AND NOT (e.kind = 'ORDER_REFUNDED' AND EXISTS (
                SELECT FROM returns r
                 WHERE r.order_id = o.id
                   AND CAST(e.facts ->> 'transactionId' AS uuid) = ANY (r.transaction_ids)))
     ORDER BY e.ordinality
    ON CONFLICT (order_id, kind, subject_key) DO NOTHING
    """
).bindparams(bindparam("oldest", type_=Interval()))
# Leased by moving the next attempt on; what is returned has the state it was found in.
_CLAIM = text(
    f"""
    UPDATE notifications n SET attempts = n.attempts + 1, next_attempt_at = :later
      FROM (SELECT id FROM notifications
             WHERE state IN ('PENDING', 'SENDING') AND next_attempt_at <= :now
             ORDER BY next_attempt_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED) due
     WHERE n.id = due.id
    RETURNING {_COLUMNS}
    """
).bindparams(_NOW, _LATER)
_MAY_BE_SENT = changes_to(NotificationState.SENDING, TRANSITIONS, NotificationState.PENDING)
# Whoever was thought dead has neither the newest claim nor, after staff had it sent anew, the generation.
_MINE = "id = :id AND attempts = :attempts AND generation = :generation"
_HAND_OVER = text(
    f"""
    UPDATE notifications SET state = 'SENDING', next_attempt_at = :later
     WHERE {_MINE} AND state {_MAY_BE_SENT} RETURNING id
    """
).bindparams(_LATER)
_SAVE = text(
    f"""
    UPDATE notifications
       SET state = :state, repeats = :repeats, reason = :reason, sender = :sender,
           next_attempt_at = :later, ended_at = :ended_at
     WHERE {_MINE} AND state IN ('PENDING', 'SENDING') RETURNING id
    """
).bindparams(_LATER, bindparam("ended_at", type_=DateTime(timezone=True)))
_LOCK = text(f"SELECT {_COLUMNS} FROM notifications n WHERE n.id = :id FOR NO KEY UPDATE")
_RESEND = text(
    """
    UPDATE notifications
       SET state = :state, recipient = :recipient, generation = :generation, attempts = 0, repeats = 0,
           reason = NULL, sender = NULL, ended_at = NULL, begun_at = :now, next_attempt_at = :now
     WHERE id = :id
    """
).bindparams(_NOW)
_OF_ORDERS = text(
    f"SELECT {_COLUMNS} FROM notifications n WHERE n.order_id = ANY (:ids) ORDER BY n.created_at, n.id"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM notifications n
     WHERE n.order_id IS NOT NULL AND (CAST(:state AS text) IS NULL OR n.state = :state)
       AND (CAST(:after_id AS uuid) IS NULL OR (n.created_at, n.id) < (:after_created_at, :after_id))
     ORDER BY n.created_at DESC, n.id DESC LIMIT :limit
    """
).bindparams(
    bindparam("state", type_=Text()),
    bindparam("after_created_at", type_=DateTime(timezone=True)),
    bindparam("after_id", type_=Uuid()),
)
_WRITE_OF_REFUNDS = text(
    """
    INSERT INTO notifications (id, unlinked_refund_id, kind, subject_key, recipient, locale, state, facts,
                               created_at, begun_at, next_attempt_at)
    SELECT e.id, r.id, e.kind, '', r.email, c.locale, 'PENDING', '{}', now(), now(), now()
      FROM jsonb_to_recordset(CAST(:news AS jsonb)) AS e
           (id uuid, refund_id uuid, kind text, occurred_at timestamptz)
      JOIN unlinked_refunds r ON r.id = e.refund_id
      JOIN channels c ON c.id = r.channel_id
     WHERE r.email IS NOT NULL AND e.occurred_at > now() - :oldest AND e.kind <> ALL (c.muted_notifications)
    ON CONFLICT (unlinked_refund_id, kind) DO NOTHING
    """
).bindparams(bindparam("oldest", type_=Interval()))
_LOCK_REFUND = text(
    "SELECT version, number, channel_id FROM unlinked_refunds WHERE id = :id FOR NO KEY UPDATE"
)
_LOCK_ORDER = text("SELECT version, number, channel_id FROM orders WHERE id = :id FOR NO KEY UPDATE")


@dataclass(frozen=True, slots=True)
class NewsOfOrder:
    """What is to be told of an order, and when it happened."""

    order_id: UUID
    occurred_at: datetime
    news: News


@dataclass(frozen=True, slots=True)
class ToldOrder:
    """What an event says of the order, or the refund without one, whose customer was not told."""

    version: int
    number: str
    channel_id: UUID


async def write(connection: AsyncConnection, told: Sequence[NewsOfOrder]) -> None:
    """Write what is to be told, each thing once however often it is written.

    Left out is what is of an imported order or a draft, of one without an e-mail address, what the channel
    has muted, what is no news any more, and the money of returns, which the return's own end tells.
    """
    records = [
        {
            "id": new_id(),
            "order_id": one.order_id,
            "kind": one.news.kind.value,
            "subject_key": one.news.subject_key,
            "facts": dict(one.news.facts),
            "occurred_at": one.occurred_at,
        }
        for one in told
    ]
    await connection.execute(_WRITE, {"news": json_text(records), "oldest": OLDEST_NEWS})


async def write_of_refunds(connection: AsyncConnection, paid: Mapping[UUID, datetime]) -> None:
    """Write that refunds without an order are paid (when, by refund), each once; to whom has an address."""
    records = [
        {
            "id": new_id(),
            "refund_id": refund_id,
            "kind": NotificationKind.UNLINKED_REFUND_PAID.value,
            "occurred_at": at,
        }
        for refund_id, at in paid.items()
    ]
    await connection.execute(_WRITE_OF_REFUNDS, {"news": json_text(records), "oldest": OLDEST_NEWS})


async def claim(
    connection: AsyncConnection, *, most: int, now: datetime, leased_until: datetime
) -> list[Notification]:
    """Take up to `most` notifications that are due, for this caller alone until then; oldest first.

    One found SENDING was handed over by somebody who did not come back.
    """
    rows = await connection.execute(_CLAIM, {"most": most, "now": now, "later": leased_until})
    return sorted(map(_notification, rows), key=lambda one: (one.created_at, one.id))


async def hand_over(connection: AsyncConnection, claimed: Notification, *, leased_until: datetime) -> bool:
    """Write that a claimed notification goes to the mail server now; False for who lost the claim."""
    values = {**_claim_of(claimed), "later": leased_until}
    return (await connection.execute(_HAND_OVER, values)).first() is not None


async def save(connection: AsyncConnection, after: Notification) -> bool:
    """Write what became of a claimed notification; False for who lost the claim."""
    values = {
        **_claim_of(after),
        "state": after.state.value,
        "repeats": after.repeats,
        "reason": after.reason,
        "sender": after.sender,
        "later": after.next_attempt_at,
        "ended_at": after.ended_at,
    }
    return (await connection.execute(_SAVE, values)).first() is not None


async def lock(connection: AsyncConnection, notification_id: UUID) -> Notification | None:
    """Lock a notification and return it."""
    row = (await connection.execute(_LOCK, {"id": notification_id})).first()
    return _notification(row) if row else None


async def resend(connection: AsyncConnection, after: Notification) -> None:
    """Write that a locked notification is to be sent anew."""
    values = {
        "id": after.id,
        "state": after.state.value,
        "recipient": after.recipient,
        "generation": after.generation,
        "now": after.begun_at,
    }
    await connection.execute(_RESEND, values)


async def of_orders(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Notification]]:
    """Return what customers were told, oldest first, by order."""
    found: dict[UUID, list[Notification]] = {}
    for row in await connection.execute(_OF_ORDERS, {"ids": list(ids)}):
        found.setdefault(row.order_id, []).append(_notification(row))
    return found


async def page(
    connection: AsyncConnection,
    state: NotificationState | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[Notification]:
    """Return up to `limit` notifications, newest first; `after` is the key of the one before the page."""
    after_created_at, after_id = after or (None, None)
    values = {
        "state": state and state.value,
        "limit": limit,
        "after_created_at": after_created_at,
        "after_id": after_id,
    }
    return [_notification(row) for row in await connection.execute(_PAGE, values)]


async def lock_subject(connection: AsyncConnection, told: Notification) -> ToldOrder:
    """Lock the order, or the refund without one, that an event is to tell of."""
    if told.order_id is None:
        return ToldOrder(*(await connection.execute(_LOCK_REFUND, {"id": told.unlinked_refund_id})).one())
    return ToldOrder(*(await connection.execute(_LOCK_ORDER, {"id": told.order_id})).one())


def _claim_of(claimed: Notification) -> dict[str, Any]:
    return {"id": claimed.id, "attempts": claimed.attempts, "generation": claimed.generation}


def _notification(row: Row[*tuple[Any, ...]]) -> Notification:
    return Notification(
        id=row.id,
        order_id=row.order_id,
        kind=NotificationKind(row.kind),
        subject_key=row.subject_key,
        recipient=row.recipient,
        locale=row.locale,
        state=NotificationState(row.state),
        created_at=row.created_at,
        begun_at=row.begun_at,
        next_attempt_at=row.next_attempt_at,
        facts=row.facts,
        attempts=row.attempts,
        repeats=row.repeats,
        generation=row.generation,
        reason=row.reason,
        sender=row.sender,
        ended_at=row.ended_at,
        unlinked_refund_id=row.unlinked_refund_id,
    )
