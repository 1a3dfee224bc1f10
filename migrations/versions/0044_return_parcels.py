"""How returns are sent: their labels, where their parcels are, and what their customers are told.

Revision ID: 0044
Revises: 0043
"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_OF_ORDERS = (
    "'ORDER_CONFIRMED', 'ORDER_RECEIVED', 'ORDER_APPROVED', 'ORDER_CANCELED', 'ORDER_REFUNDED',"
    " 'SHIPPED', 'OUT_FOR_DELIVERY', 'DELIVERED', 'DELAYED', 'DELIVERY_FAILED', 'READY_FOR_PICKUP'"
)
_OF_RETURNS = (
    "'RETURN_RECEIVED_REQUEST', 'RETURN_APPROVED', 'RETURN_DECLINED', 'RETURN_REMINDER', 'RETURN_ARRIVED',"
    " 'RETURN_REFUNDED', 'RETURN_REJECTED', 'RETURN_CANCELED', 'RETURN_EXPIRED'"
)
_STATUSES = (
    "LABEL_PENDING LABEL_CREATED PRE_TRANSIT IN_TRANSIT OUT_FOR_DELIVERY AVAILABLE_FOR_PICKUP DELIVERED"
    " FAILED_ATTEMPT EXCEPTION RETURN_TO_SENDER CANCELED"
)


def _one_of(column: str, values: str) -> str:
    listed = ", ".join(f"'{value}'" for value in values.split())
    return f"{column} IN ({listed})"


def upgrade() -> None:
    """Add the tables, the way from what carriers tell to a return, and the kinds of its letters."""
    _parcels()
    _shipping_and_surplus()
    op.add_column("returns", sa.Column("reminded_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_returns_expires_at",
        "returns",
        ["expires_at", "id"],
        postgresql_where=sa.text("status = 'APPROVED'"),
    )
    op.add_column("tracking_events", sa.Column("return_parcel_id", sa.Uuid()))
    op.create_foreign_key(
        op.f("fk_tracking_events_return_parcel_id"),
        "tracking_events",
        "return_parcels",
        ["return_parcel_id"],
        ["id"],
    )
    op.create_index(
        "ix_tracking_events_return_parcel_id",
        "tracking_events",
        ["return_parcel_id", "occurred_at"],
        postgresql_where=sa.text("return_parcel_id IS NOT NULL"),
    )
    _applied("shipment_id IS NOT NULL OR return_parcel_id IS NOT NULL")
    _kinds(f"{_OF_ORDERS}, {_OF_RETURNS}")


def _parcels() -> None:
    optional = (
        "provider",
        "carrier",
        "service_code",
        "provider_reference",
        "tracking_number",
        "tracking_url",
    )
    op.create_table(
        "return_parcels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("location_id", sa.Uuid()),
        *(sa.Column(name, sa.Text()) for name in optional),
        sa.Column("drop_off_code", sa.Text()),
        sa.Column("label_state", sa.Text(), nullable=False),
        sa.Column("label_generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("label_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("label_requested_at", sa.DateTime(timezone=True)),
        sa.Column("label_next_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("label_kept_at", sa.DateTime(timezone=True)),
        sa.Column("label_error_code", sa.Text()),
        sa.Column("label_error", sa.Text()),
        sa.Column("label_price_minor", sa.BigInteger()),
        sa.Column("label_currency", sa.Text()),
        sa.Column("document_id", sa.Uuid()),
        sa.Column("document_format", sa.Text()),
        sa.Column("document", sa.LargeBinary()),
        sa.Column("estimated_at", sa.DateTime(timezone=True)),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("position", sa.Text()),
        sa.Column("next_poll_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(_one_of("source", "LABEL OWN"), name=op.f("ck_return_parcels_source")),
        sa.CheckConstraint(_one_of("status", _STATUSES), name=op.f("ck_return_parcels_status")),
        sa.CheckConstraint(
            _one_of("label_state", "NONE REQUESTED PURCHASED FAILED VOIDED"),
            name=op.f("ck_return_parcels_label_state"),
        ),
        sa.CheckConstraint(
            _one_of("document_format", "PDF PNG ZPL"), name=op.f("ck_return_parcels_document_format")
        ),
        sa.CheckConstraint(
            "(document IS NULL) = (document_id IS NULL)", name=op.f("ck_return_parcels_document")
        ),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_return_parcels_return_id")),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name=op.f("fk_return_parcels_location_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_parcels")),
        sa.UniqueConstraint("document_id", name=op.f("uq_return_parcels_document_id")),
    )
    op.create_index(
        "uq_return_parcels_return_id_source", "return_parcels", ["return_id", "source"], unique=True
    )
    op.create_index(
        "ix_return_parcels_provider_reference", "return_parcels", ["provider", "provider_reference"]
    )
    op.create_index("ix_return_parcels_tracking_number", "return_parcels", ["tracking_number"])
    op.create_index(
        "ix_return_parcels_label",
        "return_parcels",
        ["label_next_attempt_at", "id"],
        postgresql_where=sa.text("label_state IN ('REQUESTED', 'PURCHASED', 'FAILED')"),
    )


def _shipping_and_surplus() -> None:
    op.create_table(
        "return_shipping",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid()),
        sa.Column("location_id", sa.Uuid()),
        sa.Column("provider", sa.Text()),
        sa.Column("service_code", sa.Text()),
        sa.Column("instructions", sa.Text()),
        sa.Column("remind_days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("remind_days >= 0", name=op.f("ck_return_shipping_remind_days")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_return_shipping_channel_id")),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name=op.f("fk_return_shipping_location_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_shipping")),
    )
    op.create_index(
        "uq_return_shipping_channel_id",
        "return_shipping",
        ["channel_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "return_surplus",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid()),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("is_ours", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_return_surplus_quantity")),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_return_surplus_return_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name=op.f("fk_return_surplus_variant_id")),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name=op.f("fk_return_surplus_location_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_surplus")),
    )
    op.create_index(op.f("ix_return_surplus_return_id"), "return_surplus", ["return_id"])


def _applied(named: str) -> None:
    op.drop_constraint(op.f("ck_tracking_events_applied"), "tracking_events")
    op.create_check_constraint(
        op.f("ck_tracking_events_applied"), "tracking_events", f"state <> 'APPLIED' OR {named}"
    )


def _kinds(listed: str) -> None:
    op.drop_constraint(op.f("ck_notifications_kind"), "notifications")
    op.create_check_constraint(op.f("ck_notifications_kind"), "notifications", f"kind IN ({listed})")


def downgrade() -> None:
    """Take it all away; what customers were told of returns, and where their parcels were, is forgotten."""
    op.execute(f"DELETE FROM notifications WHERE kind IN ({_OF_RETURNS})")
    _kinds(_OF_ORDERS)
    op.execute("DELETE FROM tracking_events WHERE return_parcel_id IS NOT NULL")
    _applied("shipment_id IS NOT NULL")
    op.drop_column("tracking_events", "return_parcel_id")
    op.drop_index("ix_returns_expires_at", "returns")
    op.drop_column("returns", "reminded_at")
    for name in ("return_surplus", "return_shipping", "return_parcels"):
        op.drop_table(name)
