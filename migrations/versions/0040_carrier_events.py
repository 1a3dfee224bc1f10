"""What carriers told and was set aside: for what reason, how often it failed, and what staff did about it.

Revision ID: 0040
Revises: 0039
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_REASONS = "reason IN ('UNKNOWN_PARCEL', 'CANCELED_PARCEL', 'DOES_NOT_FIT', 'FAILED')"
_DISMISSED = "(state = 'DISMISSED') = (note IS NOT NULL) AND (note IS NULL) = (dismissed_at IS NULL)"


def upgrade() -> None:
    """Add the columns; until now the reason was the code of the error that the parcel was refused with."""
    op.add_column("tracking_events", sa.Column("error", sa.Text()))
    op.add_column("tracking_events", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("tracking_events", sa.Column("note", sa.Text()))
    op.add_column("tracking_events", sa.Column("dismissed_at", sa.DateTime(timezone=True)))
    op.execute(
        "UPDATE tracking_events SET error = reason, reason = 'DOES_NOT_FIT'"
        " WHERE reason NOT IN ('UNKNOWN_PARCEL', 'CANCELED_PARCEL')"
    )
    _replace("state", "state IN ('RECEIVED', 'APPLIED', 'SET_ASIDE', 'DISMISSED')")
    _replace("reason", "(state IN ('SET_ASIDE', 'DISMISSED')) = (reason IS NOT NULL)")
    op.create_check_constraint(op.f("ck_tracking_events_reasons"), "tracking_events", _REASONS)
    op.create_check_constraint(op.f("ck_tracking_events_dismissed"), "tracking_events", _DISMISSED)


def downgrade() -> None:
    """Take them away; what was dismissed is set aside again."""
    for name in ("reasons", "dismissed"):
        op.drop_constraint(op.f(f"ck_tracking_events_{name}"), "tracking_events", type_="check")
    op.execute("UPDATE tracking_events SET state = 'SET_ASIDE' WHERE state = 'DISMISSED'")
    _replace("state", "state IN ('RECEIVED', 'APPLIED', 'SET_ASIDE')")
    _replace("reason", "(state = 'SET_ASIDE') = (reason IS NOT NULL)")
    for column in ("dismissed_at", "note", "failures", "error"):
        op.drop_column("tracking_events", column)


def _replace(name: str, rule: str) -> None:
    op.drop_constraint(op.f(f"ck_tracking_events_{name}"), "tracking_events", type_="check")
    op.create_check_constraint(op.f(f"ck_tracking_events_{name}"), "tracking_events", rule)
