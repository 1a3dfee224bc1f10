"""The sandbox payment provider's own record, as a real provider would keep it elsewhere."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
)

from domain.ports import DisputeState
from persistence.tables.base import metadata, moment, one_of, text_column

sandbox_charges = Table(
    "sandbox_charges",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("idempotency_key", Text, nullable=False, unique=True),
    text_column("method"),
    text_column("state"),
    text_column("currency"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("captured_minor", BigInteger, nullable=False, server_default="0"),
    Column("refunded_minor", BigInteger, nullable=False, server_default="0"),
    Column("charged_back_minor", BigInteger, nullable=False, server_default="0"),
    # What the payer has asked their bank for, and how that went.
    Column("disputed_minor", BigInteger, nullable=False, server_default="0"),
    Column("dispute", Text, nullable=False, server_default=DisputeState.NONE.value),
    text_column("decline_code", optional=True),
    # When what is reserved lapses; never where it is NULL.
    moment("expires_at", optional=True),
    moment("created_at"),
    CheckConstraint("captured_minor BETWEEN 0 AND amount_minor", name="captured"),
    CheckConstraint("refunded_minor BETWEEN 0 AND captured_minor", name="refunded"),
    CheckConstraint("charged_back_minor BETWEEN 0 AND captured_minor - refunded_minor", name="charged_back"),
    CheckConstraint("disputed_minor BETWEEN 0 AND captured_minor", name="disputed"),
    one_of("dispute", DisputeState),
)

sandbox_changes = Table(
    "sandbox_changes",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("charge_reference", Text, ForeignKey("sandbox_charges.reference"), index=True),
    # Where a refund went that is of no charge.
    text_column("destination", optional=True),
    text_column("kind"),
    text_column("state"),
    text_column("currency"),
    Column("amount_minor", BigInteger, nullable=False),
    text_column("decline_code", optional=True),
    moment("created_at"),
    CheckConstraint("num_nonnulls(charge_reference, destination) = 1", name="subject"),
)

# What the sandbox has to tell of each movement; written with it.
sandbox_callbacks = Table(
    "sandbox_callbacks",
    metadata,
    Column("id", Text, primary_key=True),
    # A charge, or a refund that is of none.
    Column("charge_reference", Text, nullable=False, index=True),
    text_column("change_reference"),
    text_column("kind"),
    text_column("outcome"),
    text_column("currency"),
    Column("amount_minor", BigInteger, nullable=False),
    # Ours, of what we asked for.
    text_column("idempotency_key", optional=True),
    text_column("decline_code", optional=True),
    moment("occurred_at"),
    moment("due_at"),
    Column("deliveries_left", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # What the last attempt was answered with; NULL where nothing came.
    Column("last_status", Integer),
    CheckConstraint("deliveries_left >= 0", name="deliveries_left"),
    Index("ix_sandbox_callbacks_due_at", "due_at", postgresql_where="deliveries_left > 0"),
)
