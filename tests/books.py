"""Entries of the ledger for tests, and what the books say."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text

from domain.ledger import Account, Entry, EntryKind, Posting, SourceKind
from persistence import event_log
from persistence.database import Database

Line = tuple[str, str, int]
"""A posting for people: what happened, the account (with its dimension after a colon), the amount in minor
units, a debit above zero."""


def make_entry(
    channel_id: UUID,
    *amounts: tuple[Account, int] | tuple[Account, int, str],
    source_id: UUID | None = None,
    kind: EntryKind = EntryKind.PAYOUT_RECEIVED,
    currency: str = "USD",
    order_id: UUID | None = None,
) -> Entry:
    """Return an entry of these postings."""
    postings = tuple(Posting(*one) for one in amounts)
    source = source_id or uuid4()
    return Entry(kind, SourceKind.PAYOUT, source, channel_id, currency, postings, order_id)


async def post(database: Database, *entries: Entry, at: datetime) -> None:
    """Write entries as a transaction of the product does, and commit."""
    async with database.transaction() as connection:
        await event_log.append_and_post(connection, "test", [], entries, at)


async def lines(database: Database, order_id: UUID | None = None) -> list[Line]:
    """Return every posting (of one order), in the order they were made."""
    async with database.read() as connection:
        rows = await connection.execute(
            text(
                """
                SELECT e.kind, concat_ws(':', p.account, p.dimension) AS account, p.amount_minor
                  FROM ledger_entries e JOIN ledger_postings p ON p.entry_id = e.id
                 WHERE e.order_id = coalesce(:order, e.order_id) OR CAST(:order AS uuid) IS NULL
                 ORDER BY e.occurred_at, e.id, p.position
                """
            ),
            {"order": order_id},
        )
        return [(row.kind, row.account, row.amount_minor) for row in rows]


def left(found: Sequence[Line]) -> dict[str, int]:
    """Return what postings leave on each account that they leave anything on."""
    totals: dict[str, int] = {}
    for _, account, amount in found:
        totals[account] = totals.get(account, 0) + amount
    return {account: amount for account, amount in totals.items() if amount}
