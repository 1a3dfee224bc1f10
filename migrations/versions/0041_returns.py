"""Returns: tables of what comes back of orders, how it was judged and found, and the rules for it.

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def _one_of(column: str, values: str) -> str:
    listed = ", ".join(f"'{value}'" for value in values.split())
    return f"{column} IN ({listed})"


def upgrade() -> None:
    """Make the tables."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("return_numbers", start=1001)))
    op.create_table(
        "returns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("location_id", sa.Uuid(), nullable=True),
        sa.Column("keeps_items", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("verdict", postgresql.JSONB(), nullable=True),
        sa.Column("refund_verdict", postgresql.JSONB(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("refund_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shipping_refund_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("transaction_ids", sa.ARRAY(sa.Uuid()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            _one_of(
                "status",
                "REQUESTED APPROVED DECLINED IN_TRANSIT PARTIALLY_RECEIVED RECEIVED INSPECTED CLOSED CANCELED",
            ),
            name=op.f("ck_returns_status"),
        ),
        sa.CheckConstraint(_one_of("wish", "REFUND EXCHANGE STORE_CREDIT"), name=op.f("ck_returns_wish")),
        sa.CheckConstraint(
            "least(refund_minor, shipping_refund_minor, fee_minor) >= 0", name=op.f("ck_returns_amounts")
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_returns_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_returns_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
        sa.UniqueConstraint("number", name=op.f("uq_returns_number")),
    )
    op.create_index("ix_returns_created_at", "returns", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_returns_order_id"), "returns", ["order_id"], unique=False)
    op.create_index("ix_returns_status", "returns", ["status", "created_at", "id"], unique=False)
    op.create_table(
        "return_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("photos", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("quantity_received", sa.Integer(), server_default="0", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("refund_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            _one_of("condition", "UNOPENED OPENED USED DAMAGED"), name=op.f("ck_return_lines_condition")
        ),
        sa.CheckConstraint(
            _one_of("outcome", "REFUNDED EXCHANGED STORE_CREDIT REJECTED"),
            name=op.f("ck_return_lines_outcome"),
        ),
        sa.CheckConstraint(
            _one_of(
                "reason",
                "CHANGED_MIND SIZE LATE DEFECTIVE DAMAGED_IN_TRANSIT WRONG_ITEM NOT_AS_DESCRIBED NOT_DELIVERED OTHER",
            ),
            name=op.f("ck_return_lines_reason"),
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_return_lines_quantity")),
        sa.CheckConstraint(
            "quantity_received BETWEEN 0 AND quantity", name=op.f("ck_return_lines_quantity_received")
        ),
        sa.CheckConstraint("refund_minor >= 0", name=op.f("ck_return_lines_refund")),
        sa.ForeignKeyConstraint(
            ["order_line_id"], ["order_lines.id"], name=op.f("fk_return_lines_order_line_id")
        ),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_return_lines_return_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name=op.f("fk_return_lines_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_lines")),
    )
    op.create_index(op.f("ix_return_lines_order_line_id"), "return_lines", ["order_line_id"], unique=False)
    op.create_index(op.f("ix_return_lines_return_id"), "return_lines", ["return_id"], unique=False)
    op.create_index(op.f("ix_return_lines_variant_id"), "return_lines", ["variant_id"], unique=False)
    op.create_table(
        "return_inspections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("return_line_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            _one_of("disposition", "RESTOCKED NOT_RESTOCKED PROCESSING_REQUIRED MISSING"),
            name=op.f("ck_return_inspections_disposition"),
        ),
        sa.CheckConstraint(
            _one_of("grade", "AS_NEW OPENED USED DAMAGED NOT_OURS"), name=op.f("ck_return_inspections_grade")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_return_inspections_quantity")),
        sa.ForeignKeyConstraint(
            ["return_line_id"], ["return_lines.id"], name=op.f("fk_return_inspections_return_line_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_inspections")),
    )
    op.create_index(
        op.f("ix_return_inspections_return_line_id"), "return_inspections", ["return_line_id"], unique=False
    )
    op.create_table(
        "return_policies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column("final_sale", sa.Boolean(), nullable=False),
        sa.Column("restocking_fee", sa.Integer(), nullable=False),
        sa.Column("label_payer", sa.Text(), nullable=False),
        sa.Column("label_fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("keep_below_minor", sa.BigInteger(), nullable=False),
        sa.Column("auto_refund_most_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipping_refund", sa.Text(), nullable=False),
        sa.Column("credit_bonus", sa.Integer(), nullable=False),
        sa.Column("arrive_within_days", sa.Integer(), nullable=False),
        sa.Column("grades", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            _one_of("label_payer", "SHOP CUSTOMER"), name=op.f("ck_return_policies_label_payer")
        ),
        sa.CheckConstraint(
            _one_of("shipping_refund", "NEVER WHOLE_ORDER PROPORTIONAL"),
            name=op.f("ck_return_policies_shipping_refund"),
        ),
        sa.CheckConstraint("tag IS NULL OR sku IS NULL", name=op.f("ck_return_policies_scope")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_return_policies_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_policies")),
    )
    op.create_index(
        "uq_return_policies_scope",
        "return_policies",
        ["channel_id", "tag", "sku"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "return_rules",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.CheckConstraint(
            _one_of(
                "code",
                "PAID NOT_PAID ORDER_ENDED WITHIN_POLICY WINDOW_OVER FINAL_SALE RIGHT_OF_WITHDRAWAL FAULT_OUTSIDE_POLICY ABOVE_AUTO_REFUND NOTHING_TO_REFUND PROVIDER_AGREES PROVIDER_SILENT PROVIDER_HAS_NO_RECORD PROVIDER_DISAGREES REFUNDED_AT_PROVIDER DISPUTED IS_BUYER NOT_THE_BUYER UNVERIFIED FRAUD_BEFORE RETURN_RATE DELIVERED NOT_DELIVERED SAID_NOT_DELIVERED CARRIER_CONTRADICTS NOTHING_BEFORE RETURNED_BEFORE REFUSED_BEFORE AS_EXPECTED NOT_AS_EXPECTED",
            ),
            name=op.f("ck_return_rules_code"),
        ),
        sa.CheckConstraint(
            _one_of("decision", "APPROVE ASK_STAFF DECLINE"), name=op.f("ck_return_rules_decision")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_return_rules")),
    )
    op.create_table(
        "fraud_flags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fraud_flags")),
    )
    op.create_index("ix_fraud_flags_email", "fraud_flags", ["email"], unique=False)


def downgrade() -> None:
    """Drop them; what came back is forgotten."""
    for name in ("fraud_flags", "return_rules", "return_policies", "return_inspections", "return_lines"):
        op.drop_table(name)
    op.drop_table("returns")
    op.execute("DROP SEQUENCE return_numbers")
