"""Customers sign in with a code that is mailed, or by the word of an app.

Revision ID: 0053
Revises: 0052
"""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_customers_email")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("email", name=op.f("uq_customers_email")),
    )
    _make_sessions()
    _make_sign_ins()
    op.create_table(
        "customer_sign_in_clients",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        _moment("asked_since"),
        sa.CheckConstraint("asked > 0", name=op.f("ck_customer_sign_in_clients_asked")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_customer_sign_in_clients")),
    )
    op.create_index(
        op.f("ix_customer_sign_in_clients_asked_since"), "customer_sign_in_clients", ["asked_since"]
    )


def downgrade() -> None:
    """Forget customers and their sign-ins; orders keep their addresses."""
    op.drop_table("customer_sign_in_clients")
    op.drop_table("customer_sign_ins")
    op.drop_table("customer_sessions")
    op.drop_table("customers")


def _make_sessions() -> None:
    op.create_table(
        "customer_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=True),
        sa.Column("refresh_generation", sa.Integer(), server_default="1", nullable=False),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("ended_at", optional=True),
        sa.CheckConstraint(
            "refresh_generation BETWEEN 1 AND 65535", name=op.f("ck_customer_sessions_refresh_generation")
        ),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_customer_sessions_app_id")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_customer_sessions_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_sessions")),
    )
    for column in ("app_id", "customer_id", "expires_at"):
        op.create_index(op.f(f"ix_customer_sessions_{column}"), "customer_sessions", [column])


def _make_sign_ins() -> None:
    op.create_table(
        "customer_sign_ins",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("used_at", optional=True),
        sa.Column("asked", sa.Integer(), server_default="1", nullable=False),
        _moment("asked_since"),
        sa.Column("mail_attempts", sa.Integer(), server_default="0", nullable=False),
        _moment("mail_at", optional=True),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_customer_sign_ins_email")),
        sa.CheckConstraint("tries >= 0 AND asked > 0", name=op.f("ck_customer_sign_ins_counts")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_customer_sign_ins_channel_id")
        ),
        sa.PrimaryKeyConstraint("email", name=op.f("pk_customer_sign_ins")),
        sa.UniqueConstraint("id", name=op.f("uq_customer_sign_ins_id")),
    )
    op.create_index(
        op.f("ix_customer_sign_ins_mail_at"),
        "customer_sign_ins",
        ["mail_at"],
        postgresql_where=sa.text("mail_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_customer_sign_ins_asked_since"), "customer_sign_ins", ["asked_since"])


def _moment(name: str, *, optional: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=optional)
