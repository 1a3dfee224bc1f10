"""The ledger of money, which begins with the orders that stand; and the work list of reconciliation.

Revision ID: 0017
Revises: 0016
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql" / "0017_ledger.sql"
FUNCTIONS = ("ledger_entry_balances", "ledger_is_append_only")
TABLES = ("ledger_entries", "ledger_postings")

_ACCOUNTS = (
    "'RECEIVABLE', 'PROVIDER_CLEARING', 'CASH', 'SALES', 'SHIPPING', 'TAX', 'DISCOUNT', 'REFUND',"
    " 'STORE_CREDIT', 'GOODWILL', 'BREAKAGE', 'CHARGEBACK', 'PROVIDER_FEES'"
)
_KINDS = (
    "'ORDER_PLACED', 'ORDER_EDITED', 'ORDER_CANCELED', 'ORDER_REJECTED', 'ORDER_EXPIRED', 'CAPTURED',"
    " 'REFUNDED', 'CREDITED', 'CHARGED_BACK', 'CHARGEBACK_WON', 'VALUE_ISSUED', 'VALUE_SPENT',"
    " 'VALUE_RETURNED', 'VALUE_ADJUSTED', 'VALUE_EXPIRED', 'PAYOUT_RECEIVED'"
)
_MOVED = "status = 'SUCCEEDED' AND kind IN ('CAPTURE', 'REFUND', 'CHARGEBACK')"
_SOURCES = "'order', 'order_edit', 'payment_transaction', 'stored_value', 'payout'"

# As domain/ledger.py books an order when it is placed. Orders that have ended would be booked and
# unbooked again; those of another system are in its own books.
_SOLD = """
    FROM orders o, LATERAL (
         SELECT row_number() OVER () AS position, account, amount_minor
           FROM (VALUES ('RECEIVABLE', o.total_minor),
                        ('SALES', o.shipping_minor + o.tax_minor - o.total_minor - o.discount_minor),
                        ('SHIPPING', -o.shipping_minor),
                        ('TAX', -o.tax_minor),
                        ('DISCOUNT', o.discount_minor)) AS v (account, amount_minor)
          WHERE amount_minor <> 0) p
"""
_BEGIN_ENTRIES = f"""
    INSERT INTO ledger_entries (id, source_kind, source_id, kind, order_id, channel_id, currency,
                                posting_count, actor, occurred_at)
    SELECT gen_random_uuid(), 'order', o.id, 'ORDER_PLACED', o.id, o.channel_id, o.currency,
           count(*), 'system', o.placed_at {_SOLD}
     WHERE NOT o.imported AND o.status IN ('PENDING_APPROVAL', 'OPEN', 'COMPLETED')
     GROUP BY o.id
"""
_BEGIN_POSTINGS = f"""
    INSERT INTO ledger_postings (entry_id, position, account, amount_minor, currency)
    SELECT e.id, p.position, p.account, p.amount_minor, e.currency {_SOLD}, ledger_entries e
     WHERE e.order_id = o.id
"""


def upgrade() -> None:
    """Make the tables, their triggers, and the first entries."""
    _create_ledger()
    _create_reconciliation()
    # One function a statement: the driver prepares each and takes no scripts.
    for function in SQL.read_text(encoding="utf-8").split("$$;\n")[:-1]:
        op.get_bind().exec_driver_sql(f"{function}$$")
    for table in TABLES:
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_balance AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION ledger_entry_balances()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
        )
    op.execute(_BEGIN_ENTRIES)
    op.execute(_BEGIN_POSTINGS)


def downgrade() -> None:
    """Drop all of it; the books are lost."""
    for name in ("ix_payment_transactions_moved_reference", "ix_payment_transactions_settled_at"):
        op.drop_index(op.f(name), "payment_transactions")
    op.drop_table("reconciliation_differences")
    op.drop_table("reconciliation_runs")
    op.drop_table("ledger_postings")
    op.drop_table("ledger_entries")
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")


def _create_ledger() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("channel_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("posting_count", sa.SmallInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("posting_count >= 2", name=op.f("ck_ledger_entries_posting_count")),
        sa.CheckConstraint(
            "order_id IS NULL OR channel_id IS NOT NULL", name=op.f("ck_ledger_entries_channel")
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_ledger_entries_currency")),
        sa.CheckConstraint(f"source_kind IN ({_SOURCES})", name=op.f("ck_ledger_entries_source_kind")),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_ledger_entries_kind")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_ledger_entries_order_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_ledger_entries_payment_id")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_ledger_entries_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint(
            "source_kind", "source_id", "kind", name=op.f("uq_ledger_entries_source_kind_source_id_kind")
        ),
    )
    op.create_index("ix_ledger_entries_order_id", "ledger_entries", ["order_id", "id"])
    op.create_index("ix_ledger_entries_occurred_at", "ledger_entries", ["occurred_at", "id"])
    op.create_index(
        "ix_ledger_entries_channel_id_occurred_at", "ledger_entries", ["channel_id", "occurred_at", "id"]
    )
    op.create_table(
        "ledger_postings",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_ledger_postings_amount")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_ledger_postings_currency")),
        sa.CheckConstraint(f"account IN ({_ACCOUNTS})", name=op.f("ck_ledger_postings_account")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.id"], name=op.f("fk_ledger_postings_entry_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", "position", name=op.f("pk_ledger_postings")),
    )


def _create_reconciliation() -> None:
    for name, column in (
        ("ix_payment_transactions_settled_at", "settled_at"),
        ("ix_payment_transactions_moved_reference", "provider_reference"),
    ):
        op.create_index(op.f(name), "payment_transactions", [column], postgresql_where=sa.text(_MOVED))
    op.create_table(
        "reconciliation_runs",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("transaction_count", sa.Integer(), nullable=False),
        sa.Column("difference_count", sa.Integer(), nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "day", name=op.f("pk_reconciliation_runs")),
    )
    _create_differences()


def _create_differences() -> None:
    op.create_table(
        "reconciliation_differences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("movement", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("our_amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("our_currency", sa.Text(), nullable=True),
        sa.Column("their_amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("their_currency", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(our_amount_minor, their_amount_minor) > 0",
            name=op.f("ck_reconciliation_differences_sides"),
        ),
        sa.CheckConstraint(
            "(our_amount_minor IS NULL) = (our_currency IS NULL)"
            " AND (their_amount_minor IS NULL) = (their_currency IS NULL)",
            name=op.f("ck_reconciliation_differences_currencies"),
        ),
        sa.CheckConstraint(
            "(state = 'RESOLVED') = (resolved_at IS NOT NULL)",
            name=op.f("ck_reconciliation_differences_resolved"),
        ),
        sa.CheckConstraint(
            "kind IN ('MISSING_HERE', 'MISSING_THERE', 'AMOUNT_DIFFERS', 'CURRENCY_DIFFERS')",
            name=op.f("ck_reconciliation_differences_kind"),
        ),
        sa.CheckConstraint(
            "movement IN ('AUTHORIZATION', 'CAPTURE', 'REFUND', 'VOID', 'CHARGEBACK')",
            name=op.f("ck_reconciliation_differences_movement"),
        ),
        sa.CheckConstraint("state IN ('OPEN', 'RESOLVED')", name=op.f("ck_reconciliation_differences_state")),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["payment_transactions.id"],
            name=op.f("fk_reconciliation_differences_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_differences")),
    )
    op.create_index(
        "uq_reconciliation_differences_subject",
        "reconciliation_differences",
        ["provider", "kind", "subject"],
        unique=True,
    )
    op.create_index(
        "ix_reconciliation_differences_state", "reconciliation_differences", ["state", "found_at", "id"]
    )
