"""Cycle counts: stock of a location that is counted together.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("cycle_count_numbers", start=1001)))
    op.create_table(
        "cycle_counts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tolerance_units", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("tolerance_percent", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("rejection_reason", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint(
            "status IN ('OPEN', 'SUBMITTED', 'APPROVED', 'CANCELED')", name=op.f("ck_cycle_counts_status")
        ),
        sa.CheckConstraint("tolerance_units >= 0", name=op.f("ck_cycle_counts_tolerance_units")),
        sa.CheckConstraint(
            "tolerance_percent BETWEEN 0 AND 100", name=op.f("ck_cycle_counts_tolerance_percent")
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_cycle_counts_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cycle_counts")),
        sa.UniqueConstraint("number", name=op.f("uq_cycle_counts_number")),
    )
    op.create_index("ix_cycle_counts_created_at", "cycle_counts", ["created_at", "id"])
    op.create_index("ix_cycle_counts_location_id", "cycle_counts", ["location_id", "created_at", "id"])
    _lines()


def _lines() -> None:
    op.create_table(
        "cycle_count_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cycle_count_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("expected", sa.Integer()),
        sa.Column("counted", sa.Integer()),
        sa.Column("recounted", sa.Integer()),
        sa.Column("booked", sa.Integer()),
        sa.Column("counted_by", sa.Text()),
        sa.Column("counted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status IN ('PENDING', 'COUNTED', 'BOOKED', 'CANCELED')",
            name=op.f("ck_cycle_count_lines_status"),
        ),
        sa.CheckConstraint(
            "counted >= 0 AND recounted >= 0 AND expected >= 0", name=op.f("ck_cycle_count_lines_units")
        ),
        sa.CheckConstraint(
            "status NOT IN ('COUNTED', 'BOOKED') OR (counted IS NOT NULL AND expected IS NOT NULL"
            " AND counted_by IS NOT NULL AND counted_at IS NOT NULL)",
            name=op.f("ck_cycle_count_lines_counted"),
        ),
        sa.CheckConstraint(
            "(status = 'BOOKED') = (booked IS NOT NULL)", name=op.f("ck_cycle_count_lines_booked")
        ),
        sa.ForeignKeyConstraint(
            ["cycle_count_id"], ["cycle_counts.id"], name=op.f("fk_cycle_count_lines_cycle_count_id")
        ),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name=op.f("fk_cycle_count_lines_location_id")
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_cycle_count_lines_variant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cycle_count_lines")),
        sa.UniqueConstraint(
            "cycle_count_id", "variant_id", name=op.f("uq_cycle_count_lines_cycle_count_id_variant_id")
        ),
    )
    op.create_index(op.f("ix_cycle_count_lines_variant_id"), "cycle_count_lines", ["variant_id"])
    op.create_index(
        "uq_cycle_count_lines_live",
        "cycle_count_lines",
        ["location_id", "variant_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('PENDING', 'COUNTED')"),
    )
    op.create_index(
        "ix_cycle_count_lines_counted", "cycle_count_lines", ["location_id", "variant_id", "counted_at"]
    )


def downgrade() -> None:
    """Take them away; what was booked stays booked."""
    op.drop_table("cycle_count_lines")
    op.drop_table("cycle_counts")
    op.execute(sa.schema.DropSequence(sa.Sequence("cycle_count_numbers")))
