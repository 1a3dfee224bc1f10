"""The work list of differences between providers' reports and our own record."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)

from domain.payments import TransactionKind
from domain.reconciliation import DifferenceKind, DifferenceState
from persistence.tables.base import key, metadata, moment, one_of, text_column

# Which days were compared, when last, and how much there was: no difference is not no comparison.
reconciliation_runs = Table(
    "reconciliation_runs",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("line_count", Integer, nullable=False),
    Column("transaction_count", Integer, nullable=False),
    Column("difference_count", Integer, nullable=False),
    moment("ran_at"),
)

reconciliation_differences = Table(
    "reconciliation_differences",
    metadata,
    key(),
    text_column("provider"),
    Column("day", Date, nullable=False),
    text_column("kind"),
    # Which movement: our transaction's id where there is one, else the provider's own name.
    text_column("subject"),
    text_column("movement"),
    Column("transaction_id", Uuid, ForeignKey("payment_transactions.id")),
    Column("reference", Text),
    # Ours and the provider's, each null where there is none.
    Column("our_amount_minor", BigInteger),
    Column("our_currency", Text),
    Column("their_amount_minor", BigInteger),
    Column("their_currency", Text),
    text_column("state"),
    Column("note", Text),
    # Who resolved it; null while it is open.
    Column("resolved_by", Text),
    moment("found_at"),
    moment("resolved_at", optional=True),
    Index("uq_reconciliation_differences_subject", "provider", "kind", "subject", unique=True),
    Index("ix_reconciliation_differences_state", "state", "found_at", "id"),
    CheckConstraint("num_nonnulls(our_amount_minor, their_amount_minor) > 0", name="sides"),
    CheckConstraint(
        "(our_amount_minor IS NULL) = (our_currency IS NULL)"
        " AND (their_amount_minor IS NULL) = (their_currency IS NULL)",
        name="currencies",
    ),
    CheckConstraint("(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name="resolved"),
    one_of("kind", DifferenceKind),
    one_of("movement", TransactionKind),
    one_of("state", DifferenceState),
)
