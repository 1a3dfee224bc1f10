"""Gift cards and store credit, the movements that explain their balances, and the carts they pay for."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from domain.stored_values import MovementKind, StoredValueKind
from persistence.tables.base import currency_code, key, metadata, moment, one_of, text_column

stored_values = Table(
    "stored_values",
    metadata,
    key(),
    text_column("kind"),
    # A gift card's code is a secret: only its hash is kept, keyed by the server's own, and its end.
    Column("code_hash", LargeBinary, unique=True),
    Column("last_characters", Text),
    # Whose store credit it is, in small letters.
    Column("email", Text),
    text_column("currency"),
    # The sum of its movements: written by the same statement as each of them.
    Column("balance_minor", BigInteger, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("note", Text),
    moment("created_at"),
    moment("expires_at", optional=True),
    moment("disabled_at", optional=True),
    Index("ix_stored_values_created_at", "kind", "created_at", "id"),
    Index(
        "ix_stored_values_expires_at",
        "expires_at",
        postgresql_where="expires_at IS NOT NULL AND balance_minor > 0",
    ),
    Index(
        "uq_stored_values_email",
        "email",
        "currency",
        unique=True,
        postgresql_where="kind = 'STORE_CREDIT'",
    ),
    CheckConstraint("balance_minor >= 0", name="balance"),
    CheckConstraint(
        "(kind = 'GIFT_CARD') = (code_hash IS NOT NULL)"
        " AND (kind = 'GIFT_CARD') = (last_characters IS NOT NULL)"
        " AND (kind = 'STORE_CREDIT') = (email IS NOT NULL)",
        name="owner",
    ),
    CheckConstraint("email = lower(email)", name="email"),
    currency_code(),
    one_of("kind", StoredValueKind),
)

stored_value_movements = Table(
    "stored_value_movements",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("stored_value_id", Uuid, ForeignKey("stored_values.id"), nullable=False),
    text_column("kind"),
    # What the balance changed by: below zero for what went.
    Column("amount_minor", BigInteger, nullable=False),
    # The payment that took it, or that it came back from; its order is the payment's.
    Column("payment_id", Uuid, ForeignKey("payments.id")),
    Column("reason", Text),
    text_column("actor"),
    moment("occurred_at"),
    Index("ix_stored_value_movements_stored_value_id", "stored_value_id", "id"),
    Index("ix_stored_value_movements_payment_id", "payment_id", postgresql_where="payment_id IS NOT NULL"),
    # A payment takes once, and from one balance.
    Index(
        "uq_stored_value_movements_payment_id",
        "payment_id",
        unique=True,
        postgresql_where="kind = 'SPENT'",
    ),
    CheckConstraint(
        "CASE WHEN kind IN ('ISSUED', 'RETURNED') THEN amount_minor > 0"
        " WHEN kind IN ('SPENT', 'EXPIRED') THEN amount_minor < 0 ELSE amount_minor <> 0 END",
        name="amount",
    ),
    CheckConstraint("(kind IN ('SPENT', 'RETURNED')) = (payment_id IS NOT NULL)", name="payment"),
    one_of("kind", MovementKind),
)

cart_stored_values = Table(
    "cart_stored_values",
    metadata,
    Column("cart_id", Uuid, ForeignKey("carts.id", ondelete="CASCADE"), primary_key=True),
    Column("stored_value_id", Uuid, ForeignKey("stored_values.id"), primary_key=True, index=True),
    # What was left when it was applied, and the most of it to be used (null: whatever is needed).
    Column("seen_minor", BigInteger, nullable=False),
    Column("limit_minor", BigInteger),
    moment("applied_at"),
    CheckConstraint("seen_minor >= 0", name="seen"),
    CheckConstraint("limit_minor > 0", name="limit"),
)
