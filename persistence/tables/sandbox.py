"""The sandbox payment provider's own record, as a real provider would keep it elsewhere."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Table, Text

from persistence.tables.base import metadata, moment, text_column

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
    moment("created_at"),
    CheckConstraint("captured_minor BETWEEN 0 AND amount_minor", name="captured"),
    CheckConstraint("refunded_minor BETWEEN 0 AND captured_minor", name="refunded"),
)

sandbox_changes = Table(
    "sandbox_changes",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("charge_reference", Text, ForeignKey("sandbox_charges.reference"), nullable=False, index=True),
    text_column("kind"),
    text_column("state"),
    text_column("currency"),
    Column("amount_minor", BigInteger, nullable=False),
    moment("created_at"),
)
