"""The ledger of money. Triggers (revision 0017) let no entry in that does not balance, and change none."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from domain.ledger import Account, EntryKind, SourceKind
from persistence.tables.base import currency_code, key, metadata, moment, one_of, text_column

ledger_entries = Table(
    "ledger_entries",
    metadata,
    key(),
    # The document it comes from, which has one entry of each kind: so nothing is posted twice.
    text_column("source_kind"),
    Column("source_id", Uuid, nullable=False),
    text_column("kind"),
    Column("order_id", Uuid, ForeignKey("orders.id")),
    Column("payment_id", Uuid, ForeignKey("payments.id")),
    # Null for what is of no channel: gift cards, store credit, payouts.
    Column("channel_id", Uuid, ForeignKey("channels.id")),
    text_column("currency"),
    # How many postings it has, once and for all: a later one would be one too many.
    Column("posting_count", SmallInteger, nullable=False),
    text_column("actor"),
    moment("occurred_at"),
    UniqueConstraint("source_kind", "source_id", "kind"),
    Index("ix_ledger_entries_order_id", "order_id", "id"),
    Index("ix_ledger_entries_occurred_at", "occurred_at", "id"),
    Index("ix_ledger_entries_channel_id_occurred_at", "channel_id", "occurred_at", "id"),
    CheckConstraint("posting_count >= 2", name="posting_count"),
    CheckConstraint("order_id IS NULL OR channel_id IS NOT NULL", name="channel"),
    currency_code(),
    one_of("source_kind", SourceKind),
    one_of("kind", EntryKind),
)

ledger_postings = Table(
    "ledger_postings",
    metadata,
    Column("entry_id", Uuid, ForeignKey("ledger_entries.id"), primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    text_column("account"),
    # A debit above zero, a credit below.
    Column("amount_minor", BigInteger, nullable=False),
    text_column("currency"),
    # What tells apart what stands on one account: the provider's name.
    Column("dimension", Text),
    CheckConstraint("amount_minor <> 0", name="amount"),
    currency_code(),
    one_of("account", Account),
)
