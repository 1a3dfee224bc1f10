"""Refunds without an order, and claims of parcels: their tables, and what they enter into the ledger.

Revision ID: 0045
Revises: 0044
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

_ACCOUNTS = (
    "RECEIVABLE PROVIDER_CLEARING CASH SALES SHIPPING TAX DISCOUNT REFUND STORE_CREDIT GOODWILL BREAKAGE"
    " CHARGEBACK PROVIDER_FEES"
)
_KINDS = (
    "ORDER_PLACED ORDER_EDITED ORDER_CANCELED ORDER_REJECTED ORDER_EXPIRED CAPTURED REFUNDED CREDITED"
    " CHARGED_BACK CHARGEBACK_WON VALUE_ISSUED VALUE_SPENT VALUE_RETURNED VALUE_ADJUSTED VALUE_EXPIRED"
    " PAYOUT_RECEIVED"
)
_SOURCES = "order order_edit payment_transaction stored_value payout"


def _one_of(column: str, values: str) -> str:
    listed = ", ".join(f"'{value}'" for value in values.split())
    return f"{column} IN ({listed})"


def _let(table: str, column: str, values: str) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, _one_of(column, values))


def upgrade() -> None:
    """Make the tables."""
    _let("ledger_postings", "account", f"{_ACCOUNTS} CARRIER_CLAIMS SHIPPING_LOSSES")
    _let("ledger_entries", "kind", f"{_KINDS} UNLINKED_REFUND CARRIER_CHARGED CARRIER_SETTLED")
    _let("ledger_entries", "source_kind", f"{_SOURCES} unlinked_refund claim")
    op.execute(sa.schema.CreateSequence(sa.Sequence("unlinked_refund_numbers", start=1001)))
    _refunds()
    _lines()
    _policies()
    op.execute(sa.schema.CreateSequence(sa.Sequence("claim_numbers", start=1001)))
    _claims()
    _claim_lines()
    _carrier_claims()


def downgrade() -> None:
    """Drop them; the ledger keeps its rules, so entries of theirs must be gone."""
    op.drop_table("carrier_claims")
    op.drop_table("claim_lines")
    op.drop_table("claims")
    op.execute(sa.schema.DropSequence(sa.Sequence("claim_numbers")))
    op.drop_table("unlinked_refund_policies")
    op.drop_table("unlinked_refund_lines")
    op.drop_table("unlinked_refunds")
    op.execute(sa.schema.DropSequence(sa.Sequence("unlinked_refund_numbers")))
    _let("ledger_entries", "source_kind", _SOURCES)
    _let("ledger_entries", "kind", _KINDS)
    _let("ledger_postings", "account", _ACCOUNTS)


def _refunds() -> None:
    op.create_table(
        "unlinked_refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("document_reference", sa.Text(), nullable=False),
        sa.Column("keeps_items", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("location_id", sa.Uuid(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("payment_reference", sa.Text(), nullable=True),
        sa.Column("stored_value_id", sa.Uuid(), nullable=True),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("paid_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            _one_of("status", "PENDING_APPROVAL APPROVED PAID DECLINED CANCELED"),
            name=op.f("ck_unlinked_refunds_status"),
        ),
        sa.CheckConstraint(
            _one_of("method", "STORE_CREDIT MANUAL PROVIDER"), name=op.f("ck_unlinked_refunds_method")
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_unlinked_refunds_currency")),
        sa.CheckConstraint(
            "email IS NOT NULL OR external_id IS NOT NULL", name=op.f("ck_unlinked_refunds_recipient")
        ),
        sa.CheckConstraint("paid_minor BETWEEN 0 AND total_minor", name=op.f("ck_unlinked_refunds_paid")),
        sa.CheckConstraint(
            "(status = 'PAID') = (paid_at IS NOT NULL)", name=op.f("ck_unlinked_refunds_paid_at")
        ),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_unlinked_refunds_channel_id")),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name=op.f("fk_unlinked_refunds_location_id")
        ),
        sa.ForeignKeyConstraint(
            ["stored_value_id"], ["stored_values.id"], name=op.f("fk_unlinked_refunds_stored_value_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unlinked_refunds")),
        sa.UniqueConstraint("number", name=op.f("uq_unlinked_refunds_number")),
    )
    op.create_index("ix_unlinked_refunds_created_at", "unlinked_refunds", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_unlinked_refunds_status", "unlinked_refunds", ["status", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_unlinked_refunds_channel_id", "unlinked_refunds", ["channel_id", "created_at"], unique=False
    )


def _lines() -> None:
    op.create_table(
        "unlinked_refund_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unlinked_refund_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("quantity_received", sa.Integer(), server_default="0", nullable=False),
        sa.Column("quantity_inspected", sa.Integer(), server_default="0", nullable=False),
        sa.Column("quantity_missing", sa.Integer(), server_default="0", nullable=False),
        sa.Column("quantity_accepted", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_unlinked_refund_lines_quantity")),
        sa.CheckConstraint(
            "unit_price_minor >= 0 AND tax_minor >= 0", name=op.f("ck_unlinked_refund_lines_amounts")
        ),
        sa.CheckConstraint(
            "quantity_accepted BETWEEN 0 AND quantity_inspected AND quantity_inspected <= quantity_received"
            " AND quantity_received + quantity_missing <= quantity AND quantity_missing >= 0",
            name=op.f("ck_unlinked_refund_lines_counted"),
        ),
        sa.ForeignKeyConstraint(
            ["unlinked_refund_id"],
            ["unlinked_refunds.id"],
            name=op.f("fk_unlinked_refund_lines_unlinked_refund_id"),
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_unlinked_refund_lines_variant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unlinked_refund_lines")),
    )
    op.create_index(
        op.f("ix_unlinked_refund_lines_unlinked_refund_id"),
        "unlinked_refund_lines",
        ["unlinked_refund_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_unlinked_refund_lines_variant_id"), "unlinked_refund_lines", ["variant_id"], unique=False
    )


def _policies() -> None:
    op.create_table(
        "unlinked_refund_policies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("four_eyes_above_minor", sa.BigInteger(), nullable=False),
        sa.Column("most_minor", sa.BigInteger(), nullable=True),
        sa.Column("most_per_day_minor", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "least(four_eyes_above_minor, coalesce(most_minor, 0), coalesce(most_per_day_minor, 0)) >= 0",
            name=op.f("ck_unlinked_refund_policies_amounts"),
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_unlinked_refund_policies_channel_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unlinked_refund_policies")),
        sa.UniqueConstraint("channel_id", name=op.f("uq_unlinked_refund_policies_channel_id")),
    )


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("photos", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("verdict", postgresql.JSONB(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("fulfillment_order_id", sa.Uuid(), nullable=True),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            _one_of("kind", "DAMAGED LOST_IN_TRANSIT WRONG_ITEM SHORT_SHIPPED"), name=op.f("ck_claims_kind")
        ),
        sa.CheckConstraint(_one_of("status", "REQUESTED APPROVED DECLINED"), name=op.f("ck_claims_status")),
        sa.CheckConstraint(_one_of("wish", "RESHIP REFUND"), name=op.f("ck_claims_wish")),
        sa.CheckConstraint(_one_of("outcome", "RESHIP REFUND"), name=op.f("ck_claims_outcome")),
        sa.CheckConstraint("(outcome IS NOT NULL) = (status = 'APPROVED')", name=op.f("ck_claims_approved")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_claims_order_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_claims_shipment_id")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"], ["fulfillment_orders.id"], name=op.f("fk_claims_fulfillment_order_id")
        ),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_claims_return_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
        sa.UniqueConstraint("number", name=op.f("uq_claims_number")),
    )
    for column in ("order_id", "shipment_id", "fulfillment_order_id", "return_id"):
        op.create_index(op.f(f"ix_claims_{column}"), "claims", [column], unique=False)
    op.create_index("ix_claims_created_at", "claims", ["created_at", "id"], unique=False)
    op.create_index("ix_claims_status", "claims", ["status", "created_at", "id"], unique=False)


def _claim_lines() -> None:
    op.create_table(
        "claim_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_claim_lines_quantity")),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_claim_lines_claim_id")),
        sa.ForeignKeyConstraint(
            ["order_line_id"], ["order_lines.id"], name=op.f("fk_claim_lines_order_line_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_lines")),
    )
    for column in ("claim_id", "order_line_id"):
        op.create_index(op.f(f"ix_claim_lines_{column}"), "claim_lines", [column], unique=False)


def _carrier_claims() -> None:
    op.create_table(
        "carrier_claims",
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("paid_minor", sa.BigInteger(), nullable=True),
        sa.Column("charged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_carrier_claims_currency")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_carrier_claims_amount")),
        sa.CheckConstraint("paid_minor BETWEEN 0 AND amount_minor", name=op.f("ck_carrier_claims_paid")),
        sa.CheckConstraint(
            "(paid_minor IS NULL) = (settled_at IS NULL)", name=op.f("ck_carrier_claims_settled")
        ),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_carrier_claims_claim_id")),
        sa.PrimaryKeyConstraint("claim_id", name=op.f("pk_carrier_claims")),
    )
    op.create_index("ix_carrier_claims_charged_at", "carrier_claims", ["charged_at", "carrier"], unique=False)
