"""Appending events to the outbox, in the transaction of the change they tell of."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.events import Event

# One parameter a column however many events, so that the statement is always the same text.
_APPEND = text(
    """
    INSERT INTO event_outbox
           (kind, aggregate, aggregate_id, version, channel_id, payload, actor, occurred_at)
    SELECT kind, aggregate, aggregate_id, version, channel_id, payload, :actor, occurred_at
      FROM ROWS FROM (jsonb_to_recordset(CAST(:events AS jsonb)) AS
           (kind text, aggregate text, aggregate_id uuid, version int, channel_id uuid,
            payload jsonb, occurred_at timestamptz)) WITH ORDINALITY AS e
     ORDER BY ordinality
    """
)


async def append(connection: AsyncConnection, actor: str, events: Sequence[Event]) -> None:
    """Append `events` in their order; call it after the aggregates are locked and saved."""
    if events:
        await connection.execute(_APPEND, {"actor": actor, "events": encode(events)})


def encode(events: Sequence[Event]) -> str:
    """Return events as the JSON array the outbox statement takes."""
    return orjson.dumps([_record(event) for event in events]).decode()


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
