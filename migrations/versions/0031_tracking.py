"""What is told of parcels, and where they are by it.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_UNDER_WAY = sa.text(
    "status IN ('PRE_TRANSIT', 'IN_TRANSIT', 'OUT_FOR_DELIVERY', 'AVAILABLE_FOR_PICKUP', 'FAILED_ATTEMPT',"
    " 'EXCEPTION')"
)
_STATUSES = (
    "'LABEL_PENDING', 'LABEL_CREATED', 'PRE_TRANSIT', 'IN_TRANSIT', 'OUT_FOR_DELIVERY',"
    " 'AVAILABLE_FOR_PICKUP', 'DELIVERED', 'FAILED_ATTEMPT', 'EXCEPTION', 'RETURN_TO_SENDER', 'CANCELED'"
)
_MOMENT = sa.DateTime(timezone=True)
_INDEXED = ("next_poll_at", "promised_until")


def upgrade() -> None:
    """Add the columns and the table; nothing is known of parcels that were there before."""
    op.add_column("shipments", sa.Column("position", sa.Text()))
    for column in ("told_at", "late_told_for", "next_poll_at"):
        op.add_column("shipments", sa.Column(column, _MOMENT))
    for column in _INDEXED:
        op.create_index(f"ix_shipments_{column}", "shipments", [column, "id"], postgresql_where=_UNDER_WAY)
    op.create_index(
        "ix_shipments_unended",
        "shipments",
        ["created_at", "id"],
        postgresql_where=sa.text("status NOT IN ('DELIVERED', 'CANCELED')"),
    )
    op.create_table(
        "tracking_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("tracking_number", sa.Text()),
        sa.Column("shipment_id", sa.Uuid()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("description", sa.Text()),
        sa.Column("place", sa.Text()),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("estimated_at", _MOMENT),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_attempt_at", _MOMENT, nullable=False),
        sa.CheckConstraint(f"status IN ({_STATUSES})", name=op.f("ck_tracking_events_status")),
        sa.CheckConstraint(
            "state IN ('RECEIVED', 'APPLIED', 'SET_ASIDE')", name=op.f("ck_tracking_events_state")
        ),
        sa.CheckConstraint(
            "reference IS NOT NULL OR tracking_number IS NOT NULL", name=op.f("ck_tracking_events_parcel")
        ),
        sa.CheckConstraint(
            "(state = 'SET_ASIDE') = (reason IS NOT NULL)", name=op.f("ck_tracking_events_reason")
        ),
        sa.CheckConstraint(
            "state <> 'APPLIED' OR shipment_id IS NOT NULL", name=op.f("ck_tracking_events_applied")
        ),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.id"], name=op.f("fk_tracking_events_shipment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracking_events")),
        sa.UniqueConstraint("provider", "event_id", name=op.f("uq_tracking_events_provider_event_id")),
    )
    op.create_index(
        "ix_tracking_events_next_attempt_at",
        "tracking_events",
        ["next_attempt_at", "id"],
        postgresql_where=sa.text("state = 'RECEIVED'"),
    )
    op.create_index("ix_tracking_events_shipment_id", "tracking_events", ["shipment_id", "occurred_at"])
    op.create_index(
        "ix_tracking_events_set_aside",
        "tracking_events",
        ["received_at", "id"],
        postgresql_where=sa.text("state = 'SET_ASIDE'"),
    )


def downgrade() -> None:
    """Take them away, with what was told."""
    op.drop_table("tracking_events")
    op.drop_index("ix_shipments_unended", "shipments")
    for column in _INDEXED:
        op.drop_index(f"ix_shipments_{column}", "shipments")
    for column in ("next_poll_at", "late_told_for", "told_at", "position"):
        op.drop_column("shipments", column)
