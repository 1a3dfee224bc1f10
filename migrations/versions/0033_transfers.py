"""Transfers between locations, and the state of what is between them.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_STATES = (
    "available", "held", "committed", "safety_stock", "quality_control", "damaged", "incoming", "supplier",
    "customer", "adjustment", "scrap",
)  # fmt: skip


def upgrade() -> None:
    """Make the tables, and let movements name the state."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("transfer_numbers", start=1001)))
    op.create_table(
        "transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("expected_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'READY_TO_SHIP', 'IN_PROGRESS', 'TRANSFERRED', 'CANCELED')",
            name=op.f("ck_transfers_status"),
        ),
        sa.CheckConstraint("source_id <> destination_id", name=op.f("ck_transfers_elsewhere")),
        sa.ForeignKeyConstraint(["source_id"], ["locations.id"], name=op.f("fk_transfers_source_id")),
        sa.ForeignKeyConstraint(
            ["destination_id"], ["locations.id"], name=op.f("fk_transfers_destination_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
        sa.UniqueConstraint("number", name=op.f("uq_transfers_number")),
    )
    op.create_index("ix_transfers_created_at", "transfers", ["created_at", "id"])
    op.create_index("ix_transfers_source_id", "transfers", ["source_id", "created_at", "id"])
    op.create_index("ix_transfers_destination_id", "transfers", ["destination_id", "created_at", "id"])
    op.create_table(
        "transfer_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("quantity_shipped", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("quantity_received", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("quantity_lost", sa.Integer(), nullable=False, server_default="0"),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_transfer_lines_quantity")),
        sa.CheckConstraint(
            "quantity_shipped BETWEEN 0 AND quantity", name=op.f("ck_transfer_lines_quantity_shipped")
        ),
        sa.CheckConstraint(
            "quantity_received >= 0 AND quantity_lost >= 0", name=op.f("ck_transfer_lines_arrived")
        ),
        sa.CheckConstraint(
            "quantity_received + quantity_lost <= quantity_shipped",
            name=op.f("ck_transfer_lines_no_more_than_left"),
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name=op.f("fk_transfer_lines_transfer_id")
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name=op.f("fk_transfer_lines_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_lines")),
        sa.UniqueConstraint(
            "transfer_id", "variant_id", name=op.f("uq_transfer_lines_transfer_id_variant_id")
        ),
    )
    op.create_index(op.f("ix_transfer_lines_variant_id"), "transfer_lines", ["variant_id"])
    _states(*_STATES, "transfer")


def downgrade() -> None:
    """Take them away; units between locations count as lost at both, so that levels stay what they are."""
    for column in ("from_state", "to_state"):
        op.execute(f"UPDATE stock_movements SET {column} = 'adjustment' WHERE {column} = 'transfer'")
    _states(*_STATES)
    op.drop_table("transfer_lines")
    op.drop_table("transfers")
    op.execute(sa.schema.DropSequence(sa.Sequence("transfer_numbers")))


def _states(*states: str) -> None:
    listed = ", ".join(f"'{state}'" for state in states)
    for column in ("from_state", "to_state"):
        name = op.f(f"ck_stock_movements_{column}")
        op.drop_constraint(name, "stock_movements", type_="check")
        op.create_check_constraint(name, "stock_movements", f"{column} IN ({listed})")
