"""Payments and their transactions: every call to a provider is an intent row first."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)

from domain.payments import PaymentStatus, TransactionKind, TransactionStatus
from persistence.tables.base import JSON, currency_code, key, metadata, moment, one_of, text_column

MOVED = "status = 'SUCCEEDED' AND kind IN ('CAPTURE', 'REFUND', 'CHARGEBACK')"
"""Which transactions moved money."""

OWED_ON_TERMS = (
    "due_at IS NOT NULL AND overdue_told_at IS NULL AND captured_minor < amount_minor"
    " AND status NOT IN ('VOIDED', 'FAILED')"
)
"""Which payments may be told to be late, once they are."""

payments = Table(
    "payments",
    metadata,
    key(),
    Column("cart_id", Uuid, ForeignKey("carts.id"), index=True),
    Column("order_id", Uuid, ForeignKey("orders.id"), index=True),
    text_column("provider"),
    text_column("method"),
    text_column("status"),
    text_column("currency"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("authorized_minor", BigInteger, nullable=False, server_default="0"),
    Column("captured_minor", BigInteger, nullable=False, server_default="0"),
    Column("refunded_minor", BigInteger, nullable=False, server_default="0"),
    # What was asked of the provider and has no outcome yet: nobody else may ask for it meanwhile.
    Column("capturing_minor", BigInteger, nullable=False, server_default="0"),
    Column("voiding_minor", BigInteger, nullable=False, server_default="0"),
    Column("refunding_minor", BigInteger, nullable=False, server_default="0"),
    Column("charged_back_minor", BigInteger, nullable=False, server_default="0"),
    # What was given back as store credit.
    Column("credited_minor", BigInteger, nullable=False, server_default="0"),
    # When what is authorized lapses, where the provider says so.
    moment("expires_at", optional=True),
    Column("provider_reference", Text),
    Column("version", Integer, nullable=False, server_default="1"),
    # What placing the order still needs when the answer comes late: idempotency scope and key, and
    # what may have changed by then of the price that was asked for.
    Column("placement", JSON),
    moment("created_at"),
    # The number of the buyer's own purchase order.
    Column("buyer_reference", Text),
    # When what is billed has to be paid, and when it was told that it was not.
    moment("due_at", optional=True),
    moment("overdue_told_at", optional=True),
    CheckConstraint("char_length(buyer_reference) BETWEEN 1 AND 64", name="buyer_reference"),
    CheckConstraint("amount_minor >= 0", name="amount"),
    CheckConstraint(
        "least(captured_minor, capturing_minor, voiding_minor) >= 0"
        " AND captured_minor + capturing_minor + voiding_minor <= authorized_minor",
        name="captured",
    ),
    CheckConstraint(
        "least(refunded_minor, refunding_minor, charged_back_minor, credited_minor) >= 0"
        " AND refunded_minor + refunding_minor + charged_back_minor + credited_minor <= captured_minor",
        name="refunded",
    ),
    CheckConstraint("authorized_minor BETWEEN 0 AND amount_minor", name="authorized"),
    CheckConstraint("num_nonnulls(cart_id, order_id) > 0", name="purpose"),
    Index("ix_payments_provider_provider_reference", "provider", "provider_reference"),
    Index("ix_payments_due_at", "due_at", postgresql_where=OWED_ON_TERMS),
    Index("ix_payments_expires_at", "expires_at", postgresql_where="status = 'AUTHORIZED'"),
    currency_code(),
    one_of("status", PaymentStatus),
)

payment_transactions = Table(
    "payment_transactions",
    metadata,
    key(),
    Column("payment_id", Uuid, ForeignKey("payments.id"), nullable=False, index=True),
    text_column("kind"),
    text_column("status"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("provider_reference", Text),
    # Why nothing came of it: the provider's code, or ours, also of an approval that was given up.
    Column("decline_code", Text),
    # Why staff asked for it, in their words.
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    moment("requested_at"),
    # When the sweep may ask the provider about it again.
    moment("next_attempt_at"),
    moment("settled_at", optional=True),
    Index(
        "ix_payment_transactions_next_attempt_at",
        "next_attempt_at",
        postgresql_where="status IN ('REQUESTED', 'ACTION_REQUIRED')",
    ),
    # The provider's own name of a movement: whoever hears of it first records it, once.
    Index(
        "uq_payment_transactions_reference",
        "payment_id",
        "kind",
        "provider_reference",
        unique=True,
        postgresql_where="kind IN ('CAPTURE', 'REFUND', 'CHARGEBACK')",
    ),
    # What moved money, as reconciliation looks it up: by its day, and by the provider's name of it.
    Index("ix_payment_transactions_settled_at", "settled_at", postgresql_where=MOVED),
    Index("ix_payment_transactions_moved_reference", "provider_reference", postgresql_where=MOVED),
    CheckConstraint("amount_minor >= 0", name="amount"),
    CheckConstraint("(status IN ('SUCCEEDED', 'FAILED')) = (settled_at IS NOT NULL)", name="settled"),
    one_of("kind", TransactionKind),
    one_of("status", TransactionStatus),
)
