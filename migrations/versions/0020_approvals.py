"""Rules of approval, reviews with their reasons, and typed holds of fulfillment orders.

Revision ID: 0020
Revises: 0019
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Add the tables, and what is counted by; orders that wait already get a review without reasons."""
    op.add_column("channels", sa.Column("hold_unpaid", sa.Boolean(), server_default="false", nullable=False))
    _create_rules()
    _create_reviews()
    _create_holds()
    source = (SQL / "0020_velocity.sql").read_text(encoding="utf-8")
    # One function a statement: the driver prepares each and takes no scripts.
    for function in source.split("$$;\n")[:-1]:
        op.get_bind().exec_driver_sql(f"{function}$$")
    op.add_column("orders", sa.Column("client_number", sa.BigInteger()))
    op.drop_index("ix_orders_email", "orders")
    op.create_index("ix_orders_email", "orders", [sa.text("lower(email)"), "placed_at"])
    op.create_index(
        "ix_orders_address_key", "orders", [sa.text("address_key(shipping_address)"), "placed_at"]
    )
    op.create_index(
        "ix_orders_client_number",
        "orders",
        ["client_number", "placed_at"],
        postgresql_where=sa.text("client_number IS NOT NULL"),
    )
    op.create_index(
        "ix_carts_checkout", "carts", ["channel_id"], postgresql_where=sa.text("status = 'CHECKOUT'")
    )
    op.execute(
        "INSERT INTO order_reviews (order_id, decision, reasons, state, due_at, created_at)"
        " SELECT id, 'REVIEW', '[]', 'OPEN', placed_at + interval '7 days', placed_at"
        "   FROM orders WHERE status = 'PENDING_APPROVAL'"
    )


def downgrade() -> None:
    """Take it all away; orders that wait still do."""
    op.drop_index("ix_carts_checkout", "carts")
    op.drop_index("ix_orders_client_number", "orders")
    op.drop_index("ix_orders_address_key", "orders")
    op.drop_index("ix_orders_email", "orders")
    op.create_index("ix_orders_email", "orders", [sa.text("lower(email)")])
    op.drop_column("orders", "client_number")
    op.execute("DROP FUNCTION approval_velocity")
    op.execute("DROP FUNCTION address_key")
    op.drop_table("order_holds")
    op.drop_table("order_reviews")
    op.drop_table("approval_rules")
    op.drop_column("channels", "hold_unpaid")


def _create_rules() -> None:
    op.create_table(
        "approval_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("amount_from_minor", sa.BigInteger()),
        sa.Column("countries", sa.ARRAY(sa.Text())),
        sa.Column("orders_from", sa.Integer()),
        sa.Column("within_minutes", sa.Integer()),
        sa.Column("counted_by", sa.ARRAY(sa.Text())),
        sa.Column("score_from", sa.Integer()),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_approval_rules_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_rules")),
        sa.CheckConstraint(
            "kind IN ('AMOUNT_FROM', 'COUNTRY_MISMATCH', 'SHIPPING_COUNTRY', 'VELOCITY', 'FIRST_ORDER', "
            "'PROVIDER_RISK', 'CREDIT_LIMIT')",
            name=op.f("ck_approval_rules_kind"),
        ),
        sa.CheckConstraint("action IN ('REVIEW', 'DECLINE')", name=op.f("ck_approval_rules_action")),
        sa.CheckConstraint(
            "amount_from_minor >= 0"
            " AND (kind IN ('AMOUNT_FROM', 'FIRST_ORDER')) = (amount_from_minor IS NOT NULL)",
            name=op.f("ck_approval_rules_amount_from"),
        ),
        sa.CheckConstraint(
            "(kind = 'SHIPPING_COUNTRY') = (countries IS NOT NULL)",
            name=op.f("ck_approval_rules_countries"),
        ),
        sa.CheckConstraint(
            "orders_from > 0 AND within_minutes > 0 AND (kind = 'VELOCITY') = (orders_from IS NOT NULL)"
            " AND (kind = 'VELOCITY') = (within_minutes IS NOT NULL)"
            " AND (kind = 'VELOCITY' OR counted_by IS NULL)",
            name=op.f("ck_approval_rules_velocity"),
        ),
        sa.CheckConstraint(
            "score_from BETWEEN 0 AND 100 AND (kind = 'PROVIDER_RISK' OR score_from IS NULL)",
            name=op.f("ck_approval_rules_score_from"),
        ),
    )
    op.create_index(op.f("ix_approval_rules_channel_id"), "approval_rules", ["channel_id"])


def _create_reviews() -> None:
    op.create_table(
        "order_reviews",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reasons", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_reviews_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_reviews")),
        sa.CheckConstraint(
            "decision IN ('ACCEPT', 'REVIEW', 'DECLINE')", name=op.f("ck_order_reviews_decision")
        ),
        sa.CheckConstraint(
            "state IN ('OPEN', 'APPROVED', 'REJECTED', 'EXPIRED')", name=op.f("ck_order_reviews_state")
        ),
        sa.CheckConstraint("(state = 'OPEN') = (decided_at IS NULL)", name=op.f("ck_order_reviews_decided")),
    )
    op.create_index("ix_order_reviews_state_due_at", "order_reviews", ["state", "due_at", "order_id"])


def _create_holds() -> None:
    op.create_table(
        "order_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("fulfillment_order_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("of_review", sa.Boolean(), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.Text()),
        sa.Column("release_note", sa.Text()),
        sa.Column("released_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_holds_order_id")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"],
            ["fulfillment_orders.id"],
            name=op.f("fk_order_holds_fulfillment_order_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_holds")),
        sa.CheckConstraint(
            "kind IN ('AWAITING_PAYMENT', 'HIGH_RISK_OF_FRAUD', 'INCORRECT_ADDRESS', "
            "'INVENTORY_OUT_OF_STOCK', 'OTHER')",
            name=op.f("ck_order_holds_kind"),
        ),
        sa.CheckConstraint("kind <> 'INVENTORY_OUT_OF_STOCK'", name=op.f("ck_order_holds_out_of_stock")),
        sa.CheckConstraint(
            "(released_at IS NULL) = (released_by IS NULL)", name=op.f("ck_order_holds_released")
        ),
    )
    op.create_index(op.f("ix_order_holds_order_id"), "order_holds", ["order_id"])
    op.create_index(
        "ix_order_holds_fulfillment_order_id",
        "order_holds",
        ["fulfillment_order_id"],
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        "ix_order_holds_unpaid",
        "order_holds",
        ["order_id"],
        postgresql_where=sa.text("code = 'UNPAID' AND released_at IS NULL"),
    )
