"""What payment providers told by themselves: each event once, and what became of it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from domain.payment_callbacks import CallbackState
from domain.payments import TransactionKind
from persistence.tables.base import currency_code, key, metadata, moment, one_of, text_column

payment_callbacks = Table(
    "payment_callbacks",
    metadata,
    key(),
    text_column("provider"),
    # The provider's name of the event, of the payment, and of the movement of money itself.
    text_column("event_id"),
    text_column("reference"),
    text_column("change_reference"),
    # The transaction of ours that it answers, if the provider says so: what it says need not be so.
    Column("request_id", Uuid),
    text_column("kind"),
    text_column("outcome"),
    text_column("currency"),
    Column("amount_minor", BigInteger, nullable=False),
    text_column("decline_code", optional=True),
    moment("occurred_at"),
    moment("received_at"),
    text_column("state"),
    # Why it was set aside or ignored.
    text_column("reason", optional=True),
    Column("payment_id", Uuid, ForeignKey("payments.id"), index=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    moment("next_attempt_at"),
    # When it was applied, set aside or ignored.
    moment("settled_at", optional=True),
    # What staff did about one that was set aside.
    Column("note", Text),
    Column("resolved_by", Text),
    moment("resolved_at", optional=True),
    UniqueConstraint("provider", "event_id"),
    Index("ix_payment_callbacks_next_attempt_at", "next_attempt_at", postgresql_where="state = 'RECEIVED'"),
    Index("ix_payment_callbacks_state_received_at_id", "state", "received_at", "id"),
    Index("ix_payment_callbacks_provider_change_reference", "provider", "change_reference"),
    CheckConstraint("amount_minor >= 0", name="amount"),
    CheckConstraint("(state = 'RECEIVED') = (settled_at IS NULL)", name="settled"),
    CheckConstraint("(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name="resolved"),
    currency_code(),
    one_of("state", CallbackState),
    one_of("kind", TransactionKind),
    CheckConstraint("outcome IN ('SUCCEEDED', 'DECLINED', 'ACTION_REQUIRED')", name="outcome"),
)
