"""Appending events to the outbox, and entries to the ledger, in the transaction of what they tell of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.events import Event
from domain.ledger import Entry
from persistence import ledger
from persistence.idempotency import Claim
from persistence.json_text import json_text

# One parameter a column however many events, so that the statement is always the same text.
_INSERT = """
    INSERT INTO event_outbox
           (kind, aggregate, aggregate_id, version, channel_id, payload, actor, occurred_at)
    SELECT kind, aggregate, aggregate_id, version, channel_id, payload, :actor, occurred_at
      FROM ROWS FROM (jsonb_to_recordset(CAST(:events AS jsonb)) AS
           (kind text, aggregate text, aggregate_id uuid, version int, channel_id uuid,
            payload jsonb, occurred_at timestamptz)) WITH ORDINALITY AS e
     ORDER BY ordinality
"""
_ANSWER = """
    answered AS (
        UPDATE idempotency_keys SET response = CAST(:response AS jsonb), created_at = :now
         WHERE scope = :scope AND key = :key)
"""
_APPEND = text(_INSERT)
_APPEND_WITH_ANSWER = text(f"WITH {_ANSWER} {_INSERT}")
_APPEND_AND_POST = text(f"WITH {ledger.POST_SQL} {_INSERT}")
_APPEND_AND_POST_WITH_ANSWER = text(f"WITH {ledger.POST_SQL}, {_ANSWER} {_INSERT}")


async def append(connection: AsyncConnection, actor: str, events: Sequence[Event]) -> None:
    """Append `events` in their order; call it after the aggregates are locked and saved."""
    if events:
        await connection.execute(_APPEND, {"actor": actor, "events": encode(events)})


async def append_and_post(
    connection: AsyncConnection, actor: str, events: Sequence[Event], entries: Sequence[Entry], now: datetime
) -> None:
    """Append `events`, and post `entries` to the ledger as of `now`, in one statement."""
    values = {"actor": actor, "events": encode(events), **ledger.encoded(entries, now)}
    await connection.execute(_APPEND_AND_POST, values)


async def append_with_answer(
    connection: AsyncConnection,
    actor: str,
    events: Sequence[Event],
    claim: Claim,
    response: dict[str, Any],
    now: datetime,
    entries: Sequence[Entry] = (),
) -> None:
    """Append `events` and store the answer to an idempotency key, in one statement; post `entries` by it too.

    The key is kept from `now` on, so that an answer that came days later can still be asked for.
    """
    values = {
        "actor": actor,
        "events": encode(events),
        "scope": claim.scope,
        "key": claim.key,
        "response": json_text(response),
        "now": now,
    }
    if entries:
        values |= ledger.encoded(entries, now)
    await connection.execute(_APPEND_AND_POST_WITH_ANSWER if entries else _APPEND_WITH_ANSWER, values)


def encode(events: Sequence[Event]) -> str:
    """Return events as the JSON array the outbox statement takes."""
    return json_text([_record(event) for event in events])


def _record(event: Event) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "aggregate": event.aggregate,
        "aggregate_id": event.aggregate_id,
        "version": event.version,
        "channel_id": event.channel_id,
        "payload": dict(event.payload),
        "occurred_at": event.occurred_at,
    }
