"""SQL of reconciliation: what we settled, the work list of differences, and which days were compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Date, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.reconciliation import Day, Difference, DifferenceKind, DifferenceState, Settled
from persistence.json_text import json_text
from persistence.tables.payments import MOVED

BY_ITSELF = "reconciliation"
"""Who resolved a difference that both records came to agree about."""

_SETTLED = text(
    f"""
    SELECT t.id, t.kind, t.provider_reference, t.amount_minor, p.currency, t.settled_at
      FROM payment_transactions t JOIN payments p ON p.id = t.payment_id
     WHERE t.{MOVED.replace("AND kind", "AND t.kind")} AND p.provider = :provider
       AND ((t.settled_at >= :start AND t.settled_at < :end)
            OR t.provider_reference = ANY (:references) OR t.id = ANY (:ids))
    UNION ALL
    SELECT u.id, 'REFUND', u.provider_reference, u.amount_minor, r.currency, u.settled_at
      FROM unlinked_refund_payments u JOIN unlinked_refunds r ON r.id = u.unlinked_refund_id
     WHERE u.status = 'SUCCEEDED' AND u.provider = :provider
       AND ((u.settled_at >= :start AND u.settled_at < :end)
            OR u.provider_reference = ANY (:references) OR u.id = ANY (:ids))
    """
).bindparams(
    bindparam("start", type_=DateTime(timezone=True)),
    bindparam("end", type_=DateTime(timezone=True)),
    bindparam("references", type_=ARRAY(Text)),
    bindparam("ids", type_=ARRAY(Uuid)),
)
# What somebody has resolved stays so, unless the figures are others by now.
_STORE = text(
    """
    WITH found AS MATERIALIZED (
        SELECT f.id, f.kind, f.subject, f.movement, t.id AS transaction_id, f.reference, f.our_amount_minor,
               f.our_currency, f.their_amount_minor, f.their_currency
          FROM jsonb_to_recordset(CAST(:found AS jsonb)) AS f (id uuid, kind text, subject text,
               movement text, transaction_id uuid, reference text, our_amount_minor bigint,
               our_currency text, their_amount_minor bigint, their_currency text)
          -- A refund without an order is no transaction of a payment.
          LEFT JOIN payment_transactions t ON t.id = f.transaction_id
    ), stored AS (
        INSERT INTO reconciliation_differences AS d (id, provider, day, kind, subject, movement,
               transaction_id, reference, our_amount_minor, our_currency, their_amount_minor,
               their_currency, state, found_at)
        SELECT id, :provider, :day, kind, subject, movement, transaction_id, reference, our_amount_minor,
               our_currency, their_amount_minor, their_currency, 'OPEN', :now FROM found
        ON CONFLICT (provider, kind, subject) DO UPDATE
           SET our_amount_minor = excluded.our_amount_minor, our_currency = excluded.our_currency,
               their_amount_minor = excluded.their_amount_minor, their_currency = excluded.their_currency,
               state = 'OPEN', note = NULL, resolved_by = NULL, resolved_at = NULL
         WHERE d.state = 'OPEN' OR d.resolved_by = :by_itself
            OR (d.our_amount_minor, d.our_currency, d.their_amount_minor, d.their_currency)
               IS DISTINCT FROM (excluded.our_amount_minor, excluded.our_currency,
                                 excluded.their_amount_minor, excluded.their_currency)
    ), run AS (
        INSERT INTO reconciliation_runs (provider, day, line_count, transaction_count, difference_count,
               ran_at)
        VALUES (:provider, :day, :line_count, :transaction_count, (SELECT count(*) FROM found), :now)
        ON CONFLICT (provider, day) DO UPDATE
           SET line_count = excluded.line_count, transaction_count = excluded.transaction_count,
               difference_count = excluded.difference_count, ran_at = excluded.ran_at
    )
    UPDATE reconciliation_differences d
       SET state = 'RESOLVED', resolved_at = :now, resolved_by = :by_itself,
           note = 'both records agree by now'
     WHERE d.provider = :provider AND d.day = :day AND d.state = 'OPEN'
       AND NOT EXISTS (SELECT FROM found f WHERE f.kind = d.kind AND f.subject = d.subject)
    RETURNING d.id
    """
).bindparams(bindparam("now", type_=DateTime(timezone=True)), bindparam("day", type_=Date()))
_COLUMNS = """
    SELECT d.id, d.provider, d.day, d.kind, d.subject, d.movement, d.transaction_id, d.reference,
           d.our_amount_minor, d.our_currency, d.their_amount_minor, d.their_currency, d.state, d.note,
           d.resolved_by, d.found_at, d.resolved_at, t.payment_id, p.order_id,
           o.number AS order_number
      FROM reconciliation_differences d
      LEFT JOIN payment_transactions t ON t.id = d.transaction_id
      LEFT JOIN payments p ON p.id = t.payment_id
      LEFT JOIN orders o ON o.id = p.order_id
"""
_OPEN_OF_DAY = text(
    f"{_COLUMNS} WHERE d.provider = :provider AND d.day = :day AND d.state = 'OPEN' ORDER BY d.found_at, d.id"
)
_PAGE = {
    (narrowed, resumed): text(
        f"{_COLUMNS} WHERE {'d.state = :state' if narrowed else 'true'}"
        f"{' AND (d.found_at, d.id) > (:after_found_at, :after_id)' if resumed else ''}"
        " ORDER BY d.found_at, d.id LIMIT :limit"
    )
    for narrowed in (False, True)
    for resumed in (False, True)
}
_LOCK = text(f"{_COLUMNS} WHERE d.id = :id FOR NO KEY UPDATE OF d")
_RESOLVE = text(
    """
    UPDATE reconciliation_differences
       SET state = 'RESOLVED', note = :note, resolved_by = :actor, resolved_at = :now WHERE id = :id
    """
)
# A day that was never compared, since there are comparisons; and again each day while one of its
# differences is open.
_DUE = text(
    """
    SELECT d.day::date AS day
      FROM generate_series(CAST(:newest AS date) - CAST(:most AS int) + 1, CAST(:newest AS date),
                           interval '1 day') AS d (day)
     WHERE NOT EXISTS (SELECT FROM reconciliation_runs r WHERE r.provider = :provider AND r.day = d.day)
       AND (d.day = CAST(:newest AS date)
            OR d.day > (SELECT min(r.day) FROM reconciliation_runs r WHERE r.provider = :provider))
    UNION
    SELECT r.day FROM reconciliation_runs r
     WHERE r.provider = :provider AND r.ran_at < :ran_before
       AND r.day IN (SELECT d.day FROM reconciliation_differences d
                      WHERE d.provider = :provider AND d.state = 'OPEN')
     ORDER BY day
    """
).bindparams(bindparam("newest", type_=Date()), bindparam("ran_before", type_=DateTime(timezone=True)))


@dataclass(frozen=True, slots=True)
class Listed:
    """A difference as it stands on the work list."""

    id: UUID
    provider: str
    day: date
    difference: Difference
    state: DifferenceState
    note: str | None
    resolved_by: str | None
    found_at: datetime
    resolved_at: datetime | None
    payment_id: UUID | None
    order_id: UUID | None
    order_number: str | None


async def settled(
    connection: AsyncConnection, provider: str, day: Day, references: Sequence[str], ids: Sequence[UUID]
) -> list[Settled]:
    """Return what moved money with a provider on a day, and what these names or ids name whenever it did."""
    values = {
        "provider": provider,
        "start": day.start,
        "end": day.end,
        "references": list(references),
        "ids": list(ids),
    }
    return [
        Settled(
            row.id,
            TransactionKind(row.kind),
            row.provider_reference,
            Money(row.amount_minor, row.currency),
            row.settled_at,
        )
        for row in await connection.execute(_SETTLED, values)
    ]


async def store(
    connection: AsyncConnection,
    provider: str,
    day: date,
    found: Sequence[Difference],
    *,
    line_count: int,
    transaction_count: int,
    now: datetime,
) -> int:
    """Put a day's differences on the work list, and close those that are none any more; returns how many."""
    values = {
        "provider": provider,
        "day": day,
        "found": json_text([_record(one) for one in found]),
        "line_count": line_count,
        "transaction_count": transaction_count,
        "by_itself": BY_ITSELF,
        "now": now,
    }
    return len((await connection.execute(_STORE, values)).all())


async def open_of_day(connection: AsyncConnection, provider: str, day: date) -> list[Listed]:
    """Return a day's open differences."""
    rows = await connection.execute(_OPEN_OF_DAY, {"provider": provider, "day": day})
    return [_listed(row) for row in rows]


async def page(
    connection: AsyncConnection,
    state: DifferenceState | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[Listed]:
    """Return up to `limit` differences, oldest first; `after` is the key of the one before them."""
    values: dict[str, Any] = {"limit": limit}
    if state is not None:
        values["state"] = state.value
    if after is not None:
        values["after_found_at"], values["after_id"] = after
    statement = _PAGE[state is not None, after is not None]
    return [_listed(row) for row in await connection.execute(statement, values)]


async def lock(connection: AsyncConnection, difference_id: UUID) -> Listed | None:
    """Lock a difference and return it; None when there is none."""
    row = (await connection.execute(_LOCK, {"id": difference_id})).first()
    return _listed(row) if row else None


async def resolve(
    connection: AsyncConnection, difference_id: UUID, note: str, *, actor: str, now: datetime
) -> None:
    """Mark a locked difference as resolved."""
    await connection.execute(_RESOLVE, {"id": difference_id, "note": note, "actor": actor, "now": now})


async def due(
    connection: AsyncConnection, provider: str, newest: date, *, most: int, ran_before: datetime
) -> list[date]:
    """Return the days to compare, oldest first: of the `most` newest those that were not, and open ones."""
    values = {"provider": provider, "newest": newest, "most": most, "ran_before": ran_before}
    return [row.day for row in await connection.execute(_DUE, values)]


def _record(one: Difference) -> dict[str, Any]:
    return {
        "id": new_id(),
        "kind": one.kind.value,
        "subject": one.subject,
        "movement": one.movement.value,
        "transaction_id": one.transaction_id,
        "reference": one.reference,
        "our_amount_minor": one.ours.amount_minor if one.ours else None,
        "our_currency": one.ours.currency if one.ours else None,
        "their_amount_minor": one.theirs.amount_minor if one.theirs else None,
        "their_currency": one.theirs.currency if one.theirs else None,
    }


def _listed(row: Row[*tuple[Any, ...]]) -> Listed:
    difference = Difference(
        DifferenceKind(row.kind),
        TransactionKind(row.movement),
        row.subject,
        row.transaction_id,
        row.reference,
        _money(row.our_amount_minor, row.our_currency),
        _money(row.their_amount_minor, row.their_currency),
    )
    return Listed(
        row.id,
        row.provider,
        row.day,
        difference,
        DifferenceState(row.state),
        row.note,
        row.resolved_by,
        row.found_at,
        row.resolved_at,
        row.payment_id,
        row.order_id,
        row.order_number,
    )


def _money(amount_minor: int | None, currency: str | None) -> Money | None:
    return None if amount_minor is None or currency is None else Money(amount_minor, currency)
