"""Gift cards and store credit, with the movements that explain their balances.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_KEPT = """
    CREATE FUNCTION stored_value_movement_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'stored_value_movements are only ever added to'
            USING ERRCODE = 'restrict_violation';
    END $$
"""
_TRIGGER = """
    CREATE TRIGGER stored_value_movements_kept BEFORE {events} ON stored_value_movements
    FOR EACH {each} EXECUTE FUNCTION stored_value_movement_kept()
"""


def upgrade() -> None:
    """Add the tables, and let nothing change or remove what moved."""
    _create_stored_values()
    _create_movements()
    op.create_table(
        "cart_stored_values",
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("stored_value_id", sa.Uuid(), nullable=False),
        sa.Column("seen_minor", sa.BigInteger(), nullable=False),
        sa.Column("limit_minor", sa.BigInteger(), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("seen_minor >= 0", name=op.f("ck_cart_stored_values_seen")),
        sa.CheckConstraint("limit_minor > 0", name=op.f("ck_cart_stored_values_limit")),
        sa.ForeignKeyConstraint(
            ["cart_id"], ["carts.id"], name=op.f("fk_cart_stored_values_cart_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stored_value_id"], ["stored_values.id"], name=op.f("fk_cart_stored_values_stored_value_id")
        ),
        sa.PrimaryKeyConstraint("cart_id", "stored_value_id", name=op.f("pk_cart_stored_values")),
    )
    op.create_index(op.f("ix_cart_stored_values_stored_value_id"), "cart_stored_values", ["stored_value_id"])
    op.execute(_KEPT)
    op.execute(_TRIGGER.format(events="UPDATE OR DELETE", each="ROW"))
    op.execute(_TRIGGER.format(events="TRUNCATE", each="STATEMENT").replace("_kept BEFORE", "_whole BEFORE"))


def downgrade() -> None:
    """Take them away, with every balance."""
    op.drop_table("cart_stored_values")
    op.drop_table("stored_value_movements")
    op.drop_table("stored_values")
    op.execute("DROP FUNCTION stored_value_movement_kept()")


def _create_stored_values() -> None:
    op.create_table(
        "stored_values",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=True),
        sa.Column("last_characters", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("balance_minor >= 0", name=op.f("ck_stored_values_balance")),
        sa.CheckConstraint(
            "(kind = 'GIFT_CARD') = (code_hash IS NOT NULL)"
            " AND (kind = 'GIFT_CARD') = (last_characters IS NOT NULL)"
            " AND (kind = 'STORE_CREDIT') = (email IS NOT NULL)",
            name=op.f("ck_stored_values_owner"),
        ),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_stored_values_email")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_stored_values_currency")),
        sa.CheckConstraint("kind IN ('GIFT_CARD', 'STORE_CREDIT')", name=op.f("ck_stored_values_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_values")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_stored_values_code_hash")),
    )
    op.create_index(op.f("ix_stored_values_created_at"), "stored_values", ["kind", "created_at", "id"])
    op.create_index(
        op.f("ix_stored_values_expires_at"),
        "stored_values",
        ["expires_at"],
        postgresql_where=sa.text("expires_at IS NOT NULL AND balance_minor > 0"),
    )
    op.create_index(
        op.f("uq_stored_values_email"),
        "stored_values",
        ["email", "currency"],
        unique=True,
        postgresql_where=sa.text("kind = 'STORE_CREDIT'"),
    )


def _create_movements() -> None:
    op.create_table(
        "stored_value_movements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("stored_value_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE WHEN kind IN ('ISSUED', 'RETURNED') THEN amount_minor > 0"
            " WHEN kind IN ('SPENT', 'EXPIRED') THEN amount_minor < 0 ELSE amount_minor <> 0 END",
            name=op.f("ck_stored_value_movements_amount"),
        ),
        sa.CheckConstraint(
            "(kind IN ('SPENT', 'RETURNED')) = (payment_id IS NOT NULL)",
            name=op.f("ck_stored_value_movements_payment"),
        ),
        sa.CheckConstraint(
            "kind IN ('ISSUED', 'SPENT', 'RETURNED', 'ADJUSTED', 'EXPIRED')",
            name=op.f("ck_stored_value_movements_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["stored_value_id"], ["stored_values.id"], name=op.f("fk_stored_value_movements_stored_value_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_stored_value_movements_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_value_movements")),
    )
    op.create_index(
        op.f("ix_stored_value_movements_stored_value_id"),
        "stored_value_movements",
        ["stored_value_id", "id"],
    )
    op.create_index(
        op.f("ix_stored_value_movements_payment_id"),
        "stored_value_movements",
        ["payment_id"],
        postgresql_where=sa.text("payment_id IS NOT NULL"),
    )
    op.create_index(
        op.f("uq_stored_value_movements_payment_id"),
        "stored_value_movements",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'SPENT'"),
    )
