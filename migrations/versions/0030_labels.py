"""Labels are bought from carriers; the sandbox carrier keeps its own record.

Revision ID: 0030
Revises: 0028
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0028"
branch_labels = None
depends_on = None

_CHECKS = {
    "label_generation": "label_generation > 0",
    "label_price": "(label_price_minor IS NULL) = (label_currency IS NULL)",
}
_DUE = "label_state = 'REQUESTED' OR (label_state = 'PURCHASED' AND status = 'CANCELED' AND label_kept_at IS NULL)"
_STATUSES = (
    "LABEL_PENDING", "LABEL_CREATED", "PRE_TRANSIT", "IN_TRANSIT", "OUT_FOR_DELIVERY", "AVAILABLE_FOR_PICKUP",
    "DELIVERED", "FAILED_ATTEMPT", "EXCEPTION", "RETURN_TO_SENDER", "CANCELED",
)  # fmt: skip


def upgrade() -> None:
    """Add what buying a label needs, the documents, and the sandbox carrier's record."""
    for column in _columns():
        op.add_column("shipments", column)
    for name, check in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_shipments_{name}"), "shipments", check)
    op.create_index(
        "ix_shipments_label_due",
        "shipments",
        ["label_next_attempt_at", "id"],
        postgresql_where=sa.text(_DUE),
    )
    _documents()
    _sandbox_parcels()
    _sandbox_parcel_events()
    _sandbox_manifests()
    _sandbox_faults()


def downgrade() -> None:
    """Take them away, with the documents and the sandbox's record."""
    for table in (
        "sandbox_carrier_faults",
        "sandbox_manifests",
        "sandbox_parcel_events",
        "sandbox_parcels",
        "shipment_documents",
    ):
        op.drop_table(table)
    op.drop_index("ix_shipments_label_due", "shipments")
    for name in _CHECKS:
        op.drop_constraint(op.f(f"ck_shipments_{name}"), "shipments", type_="check")
    for column in reversed(_columns()):
        op.drop_column("shipments", column.name)


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("service_code", sa.Text()),
        sa.Column("label_recipient", postgresql.JSONB(none_as_null=True)),
        sa.Column("label_generation", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("label_attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("label_requested_at", sa.DateTime(timezone=True)),
        sa.Column("label_next_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("label_price_minor", sa.BigInteger()),
        sa.Column("label_currency", sa.Text()),
        sa.Column("label_error_code", sa.Text()),
        sa.Column("label_error", sa.Text()),
        sa.Column("label_kept_at", sa.DateTime(timezone=True)),
    )


def _documents() -> None:
    op.create_table(
        "shipment_documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.id"], name=op.f("fk_shipment_documents_shipment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipment_documents")),
        sa.CheckConstraint(
            "kind IN ('LABEL', 'PACKING_SLIP', 'MANIFEST')", name=op.f("ck_shipment_documents_kind")
        ),
        sa.CheckConstraint("format IN ('PDF', 'PNG', 'ZPL')", name=op.f("ck_shipment_documents_format")),
    )
    op.create_index(
        "ix_shipment_documents_shipment_id", "shipment_documents", ["shipment_id", "kind", "created_at"]
    )


def _sandbox_parcels() -> None:
    op.create_table(
        "sandbox_parcels",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("tracking_number", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("estimated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("voided_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_sandbox_parcels")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_sandbox_parcels_idempotency_key")),
        sa.UniqueConstraint("tracking_number", name=op.f("uq_sandbox_parcels_tracking_number")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_sandbox_parcels_currency")),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_sandbox_parcels_price")),
    )


def _sandbox_parcel_events() -> None:
    statuses = ", ".join(f"'{status}'" for status in _STATUSES)
    op.create_table(
        "sandbox_parcel_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("parcel_reference", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("place", sa.Text()),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("estimated_at", sa.DateTime(timezone=True)),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deliveries_left", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_status", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["parcel_reference"],
            ["sandbox_parcels.reference"],
            name=op.f("fk_sandbox_parcel_events_parcel_reference"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_parcel_events")),
        sa.CheckConstraint(f"status IN ({statuses})", name=op.f("ck_sandbox_parcel_events_status")),
        sa.CheckConstraint("deliveries_left >= 0", name=op.f("ck_sandbox_parcel_events_deliveries_left")),
    )
    op.create_index(
        op.f("ix_sandbox_parcel_events_parcel_reference"), "sandbox_parcel_events", ["parcel_reference"]
    )
    op.create_index(
        "ix_sandbox_parcel_events_due_at",
        "sandbox_parcel_events",
        ["due_at"],
        postgresql_where=sa.text("deliveries_left > 0"),
    )


def _sandbox_manifests() -> None:
    op.create_table(
        "sandbox_manifests",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("parcel_references", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_sandbox_manifests")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_sandbox_manifests_idempotency_key")),
    )


def _sandbox_faults() -> None:
    op.create_table(
        "sandbox_carrier_faults",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.Double(), nullable=False, server_default="0")
            for name in ("hang", "error", "duplicate", "late", "shuffle")
        ),
        sa.Column("down_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_carrier_faults")),
        sa.CheckConstraint("id = 1", name=op.f("ck_sandbox_carrier_faults_one")),
        sa.CheckConstraint(
            "hang >= 0 AND error >= 0 AND hang + error <= 1", name=op.f("ck_sandbox_carrier_faults_requests")
        ),
        sa.CheckConstraint(
            "duplicate BETWEEN 0 AND 1 AND late BETWEEN 0 AND 1 AND shuffle BETWEEN 0 AND 1",
            name=op.f("ck_sandbox_carrier_faults_callbacks"),
        ),
    )
