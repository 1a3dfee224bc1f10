"""SQL of the ledger of money: what an order has on its accounts, its entries, and balances by period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Row, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.ledger import Account, Entry, EntryKind, Posting, SourceKind
from persistence.json_text import json_text

POST_SQL = """
    posted AS (
        INSERT INTO ledger_entries (id, source_kind, source_id, kind, order_id, payment_id, channel_id,
               currency, posting_count, actor, occurred_at)
        SELECT id, source_kind, source_id, kind, order_id, payment_id, channel_id, currency, posting_count,
               :actor, :posted_at
          FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS e (id uuid, source_kind text, source_id uuid,
               kind text, order_id uuid, payment_id uuid, channel_id uuid, currency text,
               posting_count smallint)
        ON CONFLICT (source_kind, source_id, kind) DO NOTHING
        RETURNING id, currency
    ), postings AS (
        INSERT INTO ledger_postings (entry_id, position, account, amount_minor, currency, dimension)
        SELECT p.entry_id, p.position, p.account, p.amount_minor, posted.currency, p.dimension
          FROM posted JOIN jsonb_to_recordset(CAST(:postings AS jsonb)) AS p (entry_id uuid,
               position smallint, account text, amount_minor bigint, dimension text) ON p.entry_id = posted.id
    )
"""
"""CTEs that write entries with their postings, those whose source has none of the kind yet."""

_POSITION = text(
    """
    SELECT p.account, sum(p.amount_minor)::bigint AS amount_minor
      FROM ledger_entries e JOIN ledger_postings p ON p.entry_id = e.id
     WHERE e.order_id = :order_id GROUP BY p.account
    """
)
_ENTRY = """
    SELECT e.id, e.source_kind, e.source_id, e.kind, e.order_id, e.payment_id, e.channel_id, e.currency,
           e.actor, e.occurred_at,
           (SELECT jsonb_agg(jsonb_build_array(p.account, p.amount_minor, p.dimension) ORDER BY p.position)
              FROM ledger_postings p WHERE p.entry_id = e.id) AS postings
      FROM ledger_entries e
"""
_OF_ORDER = text(f"{_ENTRY} WHERE e.order_id = :order_id ORDER BY e.occurred_at, e.id")
_CONDITIONS = {
    "after_id": "(e.occurred_at, e.id) > (:after_occurred_at, :after_id)",
    "channel_id": "e.channel_id = :channel_id",
    "since": "e.occurred_at >= :since",
    "until": "e.occurred_at < :until",
    "currency": "e.currency = :currency",
}
_TYPES: dict[str, TypeEngine[Any]] = {
    "after_occurred_at": DateTime(timezone=True),
    "after_id": Uuid(),
    "channel_id": Uuid(),
    "since": DateTime(timezone=True),
    "until": DateTime(timezone=True),
    "currency": Text(),
}
_BEFORE = "coalesce(sum(p.amount_minor) FILTER (WHERE e.occurred_at < :since), 0)"
_WITHIN = "coalesce(sum({amount}) FILTER (WHERE p.amount_minor {side} 0 AND {within}), 0)"


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it stands in the books: who made it and when it happened."""

    entry: Entry
    actor: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """An account over a period, in minor units; `opening_minor` is debit-positive."""

    account: Account
    dimension: str | None
    currency: str
    opening_minor: int
    debits_minor: int
    credits_minor: int

    @property
    def closing_minor(self) -> int:
        """What is on the account at the period's end, debit-positive."""
        return self.opening_minor + self.debits_minor - self.credits_minor


@dataclass(frozen=True, slots=True)
class Period:
    """Entries from `since` up to before `until`, of a channel, in a currency; None narrows nothing."""

    channel_id: UUID | None = None
    currency: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def values(self) -> dict[str, Any]:
        """Return what narrows, by the name of its parameter."""
        given = {
            "channel_id": self.channel_id,
            "currency": self.currency,
            "since": self.since,
            "until": self.until,
        }
        return {name: value for name, value in given.items() if value is not None}


def encoded(entries: Sequence[Entry], now: datetime) -> dict[str, Any]:
    """Return the parameters of POST_SQL beside the actor; what happened, happened at `now`."""
    return {
        "entries": json_text([_record(entry) for entry in entries]),
        "postings": json_text(
            [
                {
                    "entry_id": entry.id,
                    "position": position,
                    "account": posting.account.value,
                    "amount_minor": posting.amount_minor,
                    "dimension": posting.dimension,
                }
                for entry in entries
                for position, posting in enumerate(entry.postings, 1)
            ]
        ),
        "posted_at": now,
    }


async def position(connection: AsyncConnection, order_id: UUID) -> Mapping[Account, int]:
    """Return what an order's entries make of each account, debit-positive; call it with its lock held."""
    rows = await connection.execute(_POSITION, {"order_id": order_id})
    return {Account(row.account): row.amount_minor for row in rows}


async def of_order(connection: AsyncConnection, order_id: UUID) -> list[Recorded]:
    """Return every entry of an order, oldest first."""
    return [_recorded(row) for row in await connection.execute(_OF_ORDER, {"order_id": order_id})]


async def page(
    connection: AsyncConnection, period: Period, limit: int, after: tuple[datetime, UUID] | None
) -> list[Recorded]:
    """Return up to `limit` entries of a period, oldest first; `after` is the key of the one before them."""
    values = period.values()
    if after is not None:
        values["after_occurred_at"], values["after_id"] = after
    statement = _page(frozenset(values))
    return [_recorded(row) for row in await connection.execute(statement, {**values, "limit": limit})]


async def balances(connection: AsyncConnection, period: Period) -> list[Balance]:
    """Return each account, dimension and currency that had anything posted before the period's end."""
    values = period.values()
    rows = await connection.execute(_balances(frozenset(values)), values)
    order = list(Account)
    found = [
        Balance(
            Account(row.account),
            row.dimension,
            row.currency,
            int(row.opening),
            int(row.debits),
            int(row.credits),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.currency, order.index(one.account), one.dimension or ""))


@lru_cache(maxsize=64)
def _page(used: frozenset[str]) -> TextClause:
    conditions = " AND ".join(sql for name, sql in _CONDITIONS.items() if name in used) or "true"
    return text(f"{_ENTRY} WHERE {conditions} ORDER BY e.occurred_at, e.id LIMIT :limit").bindparams(
        *(bindparam(name, type_=kind) for name, kind in _TYPES.items() if name in used)
    )


@lru_cache(maxsize=16)
def _balances(used: frozenset[str]) -> TextClause:
    # What came before the period is its opening, so that only its end narrows what is read.
    narrowing = [sql for name, sql in _CONDITIONS.items() if name in used and name != "since"]
    within = "e.occurred_at >= :since" if "since" in used else "true"
    opening = _BEFORE if "since" in used else "0"
    debits = _WITHIN.format(amount="p.amount_minor", side=">", within=within)
    credits_ = _WITHIN.format(amount="-p.amount_minor", side="<", within=within)
    return text(
        f"SELECT p.account, p.dimension, e.currency, {opening} AS opening, {debits} AS debits,"
        f" {credits_} AS credits FROM ledger_entries e JOIN ledger_postings p ON p.entry_id = e.id"
        f" WHERE {' AND '.join(narrowing) or 'true'} GROUP BY p.account, p.dimension, e.currency"
    ).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in used))


def _record(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "source_kind": entry.source_kind.value,
        "source_id": entry.source_id,
        "kind": entry.kind.value,
        "order_id": entry.order_id,
        "payment_id": entry.payment_id,
        "channel_id": entry.channel_id,
        "currency": entry.currency,
        "posting_count": len(entry.postings),
    }


def _recorded(row: Row[*tuple[Any, ...]]) -> Recorded:
    entry = Entry(
        EntryKind(row.kind),
        SourceKind(row.source_kind),
        row.source_id,
        row.channel_id,
        row.currency,
        tuple(Posting(Account(account), amount, dimension) for account, amount, dimension in row.postings),
        row.order_id,
        row.payment_id,
        row.id,
    )
    return Recorded(entry, row.actor, row.occurred_at)
