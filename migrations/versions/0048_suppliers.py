"""Lists and reports of returns that are as quick with many, and suppliers of variants.

Revision ID: 0048
Revises: 0047
"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let returns know their channel, make the indexes, and make suppliers."""
    op.add_column("returns", sa.Column("channel_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE returns r SET channel_id = o.channel_id FROM orders o WHERE o.id = r.order_id")
    op.alter_column("returns", "channel_id", nullable=False)
    op.create_foreign_key(op.f("fk_returns_channel_id"), "returns", "channels", ["channel_id"], ["id"])
    op.create_index("ix_returns_channel_id", "returns", ["channel_id", "created_at", "id"])
    op.create_index(
        "ix_returns_awaited",
        "returns",
        ["created_at", "id"],
        postgresql_where=sa.text("received_at IS NULL AND status IN ('APPROVED', 'IN_TRANSIT', 'CANCELED')"),
    )
    op.create_index("ix_return_lines_reason", "return_lines", ["reason", "return_id"])
    op.create_index(
        "ix_order_lines_unknown_sku",
        "order_lines",
        ["sku", "id"],
        postgresql_where=sa.text("variant_id IS NULL"),
    )
    op.create_table(
        "suppliers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppliers")),
        sa.UniqueConstraint("code", name=op.f("uq_suppliers_code")),
    )
    op.add_column("variants", sa.Column("supplier_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_variants_supplier_id"), "variants", "suppliers", ["supplier_id"], ["id"])
    op.create_index(op.f("ix_variants_supplier_id"), "variants", ["supplier_id"])


def downgrade() -> None:
    """Take all of it away."""
    op.drop_index(op.f("ix_variants_supplier_id"), "variants")
    op.drop_constraint(op.f("fk_variants_supplier_id"), "variants")
    op.drop_column("variants", "supplier_id")
    op.drop_table("suppliers")
    op.drop_index("ix_order_lines_unknown_sku", "order_lines")
    op.drop_index("ix_return_lines_reason", "return_lines")
    op.drop_index("ix_returns_awaited", "returns")
    op.drop_index("ix_returns_channel_id", "returns")
    op.drop_constraint(op.f("fk_returns_channel_id"), "returns")
    op.drop_column("returns", "channel_id")
