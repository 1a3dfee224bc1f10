"""The stamped feed: reading it in order, pruning it, and what waits to be stamped.

A row is in the outbox from its commit until a stamper gives it a sequence; the feed is dense, so a
reader that has seen `sequence` n knows that n + 1 is the very next event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, and_, bindparam, func, lateral, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.tables.event_log import event_feed, feed_head

# A leader that hangs with the head locked is thrown out by the server, so that another may lead.
_LOCK_HEAD = text(
    """
    SELECT sequence, set_config('idle_in_transaction_session_timeout', '10s', true)
      FROM feed_head FOR NO KEY UPDATE SKIP LOCKED
    """
)
_PRUNE = text(
    """
    WITH head AS (SELECT pruned_sequence, sequence FROM feed_head),
    bound AS (
        SELECT least(
            (SELECT sequence FROM head),
            (SELECT pruned_sequence + :limit FROM head),
            (SELECT min(sequence) FROM feed_consumers),
            (SELECT min(f.sequence) - 1 FROM event_feed f, head
              WHERE f.sequence > head.pruned_sequence AND f.sequence <= head.pruned_sequence + :limit
                AND f.stamped_at >= now() - make_interval(secs => :retention_seconds))) AS sequence
    ), pruned AS (
        DELETE FROM event_feed WHERE sequence <= (SELECT sequence FROM bound) RETURNING 1
    )
    UPDATE feed_head
       SET pruned_sequence = greatest(pruned_sequence, (SELECT sequence FROM bound))
    RETURNING (SELECT count(*) FROM pruned)
    """
)
_HEAD = select(feed_head.c.epoch, feed_head.c.sequence, feed_head.c.pruned_sequence)
_BACKLOG = text(
    """
    SELECT (SELECT min(id) FROM event_outbox) AS oldest_id,
           (SELECT count(*) FROM (SELECT FROM event_outbox LIMIT :limit) counted) AS depth
    """
)


@dataclass(frozen=True, slots=True)
class Head:
    """Where the feed stands: `pruned_sequence` is the highest one that retention has removed."""

    epoch: UUID
    sequence: int
    pruned_sequence: int


@dataclass(frozen=True, slots=True)
class StampedEvent:
    """A row of the feed."""

    sequence: int
    kind: str
    aggregate: str
    aggregate_id: UUID
    version: int
    channel_id: UUID | None
    payload: Mapping[str, Any]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Events after a sequence, and the head in the same snapshot.

    `complete` says that the page ends at the head: nothing that matches lies between.
    """

    head: Head
    events: Sequence[StampedEvent]
    complete: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the outbox: the oldest row's id, and how many rows (counted up to a limit)."""

    oldest_id: int | None
    depth: int


async def lock_head(connection: AsyncConnection) -> int | None:
    """Lock the head row and return its sequence; None while another transaction leads."""
    row = (await connection.execute(_LOCK_HEAD)).first()
    return None if row is None else int(row.sequence)


async def prune(connection: AsyncConnection, retention_seconds: float, limit: int) -> int:
    """Remove up to `limit` rows older than retention that every consumer has read.

    Call it with the head locked. Returns how many rows went.
    """
    values = {"retention_seconds": retention_seconds, "limit": limit}
    return int((await connection.execute(_PRUNE, values)).scalar_one())


async def read_head(connection: AsyncConnection) -> Head:
    """Return where the feed stands."""
    row = (await connection.execute(_HEAD)).one()
    return Head(row.epoch, row.sequence, row.pruned_sequence)


async def read_backlog(connection: AsyncConnection, limit: int = 10_000) -> Backlog:
    """Return what waits in the outbox; counting stops at `limit`."""
    row = (await connection.execute(_BACKLOG, {"limit": limit})).one()
    return Backlog(row.oldest_id, row.depth)


async def read_after(
    connection: AsyncConnection,
    sequence: int,
    limit: int,
    *,
    aggregate: str | None = None,
    aggregate_id: UUID | None = None,
) -> Page:
    """Return up to `limit` events after `sequence`, of one stream or aggregate where named."""
    values: dict[str, Any] = {"after": sequence, "limit": limit}
    if aggregate is not None:
        values["aggregate"] = aggregate
    if aggregate_id is not None:
        values["aggregate_id"] = aggregate_id
    statement = _READ[aggregate is not None, aggregate_id is not None]
    rows = (await connection.execute(statement, values)).all()
    head = Head(rows[0].epoch, rows[0].head, rows[0].pruned_sequence)
    events = [_event(row) for row in rows if row.sequence is not None]
    return Page(head, events, complete=len(events) < limit)


def _event(row: Row[Any]) -> StampedEvent:
    return StampedEvent(
        row.sequence,
        row.kind,
        row.aggregate,
        row.aggregate_id,
        row.version,
        row.channel_id,
        row.payload,
        row.occurred_at,
    )


def _read_statement(by_aggregate: bool, by_aggregate_id: bool) -> Any:
    """Build the read whose one snapshot holds both the head and the events after a sequence."""
    events = event_feed.c
    wanted = [events.sequence > bindparam("after", type_=BigInteger)]
    if by_aggregate:
        wanted.append(events.aggregate == bindparam("aggregate"))
    if by_aggregate_id:
        wanted.append(events.aggregate_id == bindparam("aggregate_id"))
    page = lateral(
        select(
            events.sequence,
            events.kind,
            events.aggregate,
            events.aggregate_id,
            events.version,
            events.channel_id,
            events.payload,
            events.occurred_at,
        )
        .where(and_(*wanted))
        .order_by(events.sequence)
        .limit(bindparam("limit", type_=BigInteger)),
        "page",
    )
    columns = [feed_head.c.epoch, feed_head.c.sequence.label("head"), feed_head.c.pruned_sequence]
    return (
        select(*columns, *page.c)
        .select_from(feed_head.outerjoin(page, true()))
        .order_by(func.coalesce(page.c.sequence, 0))
    )


_READ = {(a, i): _read_statement(a, i) for a in (False, True) for i in (False, True)}
