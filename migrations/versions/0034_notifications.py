"""Customers are told of their orders, in their language.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_KINDS = (
    "kind IN ('ORDER_CONFIRMED', 'ORDER_RECEIVED', 'ORDER_APPROVED', 'ORDER_CANCELED', 'ORDER_REFUNDED',"
    " 'SHIPPED', 'OUT_FOR_DELIVERY', 'DELIVERED', 'DELAYED', 'DELIVERY_FAILED', 'READY_FOR_PICKUP')"
)
_WAITS = "state IN ('PENDING', 'SENDING')"


def upgrade() -> None:
    """Add the table, and what channels and customers say of their messages."""
    op.add_column("channels", sa.Column("storefront_url", sa.Text()))
    op.add_column("channels", sa.Column("reply_to", sa.Text()))
    op.add_column("channels", sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False))
    op.add_column(
        "channels",
        sa.Column("muted_notifications", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column("carts", sa.Column("locale", sa.Text()))
    op.add_column("orders", sa.Column("locale", sa.Text()))
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repeats", sa.Integer(), server_default="0", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("sender", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(f"({_WAITS}) = (ended_at IS NULL)", name=op.f("ck_notifications_ended")),
        sa.CheckConstraint(
            "attempts >= 0 AND repeats >= 0 AND generation > 0", name=op.f("ck_notifications_counts")
        ),
        sa.CheckConstraint(
            "state IN ('PENDING', 'SENDING', 'SENT', 'FAILED', 'UNCONFIRMED')",
            name=op.f("ck_notifications_state"),
        ),
        sa.CheckConstraint(_KINDS, name=op.f("ck_notifications_kind")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_notifications_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint(
            "order_id", "kind", "subject_key", name=op.f("uq_notifications_order_id_kind_subject_key")
        ),
    )
    op.create_index(
        "ix_notifications_next_attempt_at",
        "notifications",
        ["next_attempt_at", "id"],
        postgresql_where=sa.text(_WAITS),
    )
    op.create_index("ix_notifications_state_created_at_id", "notifications", ["state", "created_at", "id"])


def downgrade() -> None:
    """Take it all away; what customers were told is forgotten."""
    op.drop_table("notifications")
    op.drop_column("orders", "locale")
    op.drop_column("carts", "locale")
    for name in ("muted_notifications", "time_zone", "reply_to", "storefront_url"):
        op.drop_column("channels", name)
