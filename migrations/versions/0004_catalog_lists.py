"""Versions of delivery rates; products by name and variants by the beginning of their SKU.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery_rates", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.create_index(
        "ix_products_name", "products", ["name", "id"], postgresql_where=sa.text("archived_at IS NULL")
    )
    op.create_index(
        "ix_variants_sku_lower",
        "variants",
        [sa.func.lower(sa.column("sku")).label("sku_lower")],
        postgresql_ops={"sku_lower": "text_pattern_ops"},
    )


def downgrade() -> None:
    op.drop_index("ix_variants_sku_lower", table_name="variants")
    op.drop_index("ix_products_name", table_name="products")
    op.drop_column("delivery_rates", "version")
