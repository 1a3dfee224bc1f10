"""How far claims are granted by themselves is the shop's to say, and a claim may be withdrawn.

Revision ID: 0050
Revises: 0049
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

_STATUSES = "REQUESTED APPROVED DECLINED"
_TOLD = ["CLAIM_RECEIVED", "CLAIM_APPROVED", "CLAIM_DECLINED", "CLAIM_CANCELED"]


def upgrade() -> None:
    """Make the table, and let claims be canceled."""
    op.create_table(
        "claim_policies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("approve_most_minor", sa.BigInteger(), nullable=True),
        sa.Column("silent_days", sa.Integer(), nullable=False),
        sa.Column("report_within_days", sa.Integer(), nullable=False),
        sa.Column("most_by_itself", sa.Integer(), nullable=False),
        sa.Column("needs_photos", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            _one_of("kind", "DAMAGED LOST_IN_TRANSIT WRONG_ITEM SHORT_SHIPPED"),
            name=op.f("ck_claim_policies_kind"),
        ),
        sa.CheckConstraint(
            "approve_most_minor IS NULL OR channel_id IS NOT NULL", name=op.f("ck_claim_policies_currency")
        ),
        sa.CheckConstraint("approve_most_minor >= 0", name=op.f("ck_claim_policies_approve_most")),
        sa.CheckConstraint(
            "silent_days > 0 AND report_within_days >= 0 AND most_by_itself >= 0",
            name=op.f("ck_claim_policies_limits"),
        ),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_claim_policies_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_policies")),
    )
    op.create_index(
        "uq_claim_policies_scope",
        "claim_policies",
        ["channel_id", "kind"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    _let(f"{_STATUSES} CANCELED")
    _tell([*_told(), *_TOLD])
    op.add_column("claims", sa.Column("arrival_dismissed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_claims_lost",
        "claims",
        ["created_at", "id"],
        unique=False,
        postgresql_where="kind = 'LOST_IN_TRANSIT' AND status IN ('REQUESTED', 'APPROVED')"
        " AND arrival_dismissed_at IS NULL",
    )


def downgrade() -> None:
    """Forget the limits; what was withdrawn is declined then."""
    listed = " ".join(_TOLD)
    op.execute(f"DELETE FROM notifications WHERE {_one_of('kind', listed)}")
    _tell([kind for kind in _told() if kind not in _TOLD])
    op.drop_index("ix_claims_lost", "claims")
    op.drop_column("claims", "arrival_dismissed_at")
    op.execute("UPDATE claims SET status = 'DECLINED' WHERE status = 'CANCELED'")
    _let(_STATUSES)
    op.drop_index("uq_claim_policies_scope", "claim_policies")
    op.drop_table("claim_policies")


def _let(statuses: str) -> None:
    op.drop_constraint(op.f("ck_claims_status"), "claims")
    op.create_check_constraint(op.f("ck_claims_status"), "claims", _one_of("status", statuses))


def _told() -> list[str]:
    """Return the kinds of messages there are, whoever added them before."""
    rule = op.get_bind().scalar(
        sa.text(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = 'ck_notifications_kind' AND conrelid = CAST('notifications' AS regclass)"
        )
    )
    return re.findall(r"'([A-Z_]+)'", str(rule))


def _tell(kinds: list[str]) -> None:
    op.drop_constraint(op.f("ck_notifications_kind"), "notifications")
    op.create_check_constraint(
        op.f("ck_notifications_kind"), "notifications", _one_of("kind", " ".join(kinds))
    )


def _one_of(column: str, values: str) -> str:
    listed = ", ".join(f"'{value}'" for value in values.split())
    return f"{column} IN ({listed})"
