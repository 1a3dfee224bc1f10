"""Delivery that is free for customer groups, carriers' own manifests, and stores' fees and hours.

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB()


def upgrade() -> None:
    """Add the columns."""
    op.add_column("carts", sa.Column("customer_group", sa.Text()))
    op.add_column("delivery_rates", sa.Column("free_for_groups", _JSON, nullable=False, server_default="[]"))
    op.add_column("locations", sa.Column("opening_hours", _JSON, nullable=False, server_default="[]"))
    op.create_table(
        "pickup_fees",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("fee_minor > 0", name=op.f("ck_pickup_fees_fee")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_pickup_fees_channel_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_pickup_fees_location_id")),
        sa.PrimaryKeyConstraint("channel_id", "location_id", name=op.f("pk_pickup_fees")),
    )
    op.create_index(op.f("ix_pickup_fees_location_id"), "pickup_fees", ["location_id"])
    op.create_index("ix_manifests_created_at", "manifests", ["created_at", "id"])
    op.create_table(
        "manifest_documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("manifest_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("format IN ('PDF', 'PNG', 'ZPL')", name=op.f("ck_manifest_documents_format")),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name=op.f("fk_manifest_documents_manifest_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifest_documents")),
        sa.UniqueConstraint("manifest_id", name=op.f("uq_manifest_documents_manifest_id")),
    )


def downgrade() -> None:
    """Take them away: delivery is as free as it is for everybody."""
    op.drop_table("pickup_fees")
    op.drop_column("locations", "opening_hours")
    op.drop_table("manifest_documents")
    op.drop_index("ix_manifests_created_at", "manifests")
    op.drop_column("delivery_rates", "free_for_groups")
    op.drop_column("carts", "customer_group")
