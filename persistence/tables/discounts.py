"""Discounts, the codes that carts have, and the uses of those that are limited."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from domain.discounts import DiscountKind, DiscountUse
from persistence.tables.base import key, metadata, moment, one_of, text_column

discounts = Table(
    "discounts",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False),
    text_column("kind"),
    text_column("name"),
    # Null: it applies by itself.
    Column("code", Text),
    # Hundredths of a percent.
    Column("basis_points", Integer),
    Column("amount_minor", BigInteger),
    Column("buy_quantity", Integer),
    Column("get_quantity", Integer),
    Column("minimum_subtotal_minor", BigInteger, nullable=False, server_default="0"),
    # Null: for everything.
    Column("skus", ARRAY(Text)),
    moment("starts_at", optional=True),
    moment("ends_at", optional=True),
    Column("usage_limit", Integer),
    Column("usage_limit_per_customer", Integer),
    # Reservations and uses while it has a limit: no race can go beyond, whoever counts.
    Column("used", Integer, nullable=False, server_default="0"),
    Column("combinable", Boolean, nullable=False, server_default="true"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    Index("uq_discounts_code", "channel_id", text("lower(code)"), unique=True),
    Index("ix_discounts_created_at", "created_at", "id"),
    Index("ix_discounts_automatic", "channel_id", postgresql_where="code IS NULL AND active"),
    one_of("kind", DiscountKind),
    CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'", name="code"),
    CheckConstraint(
        "(kind IN ('PERCENTAGE', 'BUY_X_GET_Y')) = (basis_points IS NOT NULL)", name="percentage"
    ),
    CheckConstraint("(kind = 'FIXED_AMOUNT') = (amount_minor IS NOT NULL)", name="fixed_amount"),
    CheckConstraint(
        "num_nonnulls(buy_quantity, get_quantity) = CASE kind WHEN 'BUY_X_GET_Y' THEN 2 ELSE 0 END",
        name="buy_x_get_y",
    ),
    CheckConstraint("basis_points BETWEEN 1 AND 10000", name="basis_points"),
    CheckConstraint("amount_minor > 0", name="amount"),
    CheckConstraint("buy_quantity > 0 AND get_quantity > 0", name="quantities"),
    CheckConstraint("minimum_subtotal_minor >= 0", name="minimum_subtotal"),
    CheckConstraint("ends_at > starts_at", name="period"),
    CheckConstraint("usage_limit > 0 AND usage_limit_per_customer > 0", name="limits"),
    CheckConstraint("used >= 0 AND used <= usage_limit", name="used"),
)

discount_customers = Table(
    "discount_customers",
    metadata,
    Column("discount_id", Uuid, ForeignKey("discounts.id"), primary_key=True),
    # The e-mail address in small letters.
    Column("customer", Text, primary_key=True),
    Column("used", Integer, nullable=False),
    CheckConstraint("used >= 0", name="used"),
)

discount_uses = Table(
    "discount_uses",
    metadata,
    key(),
    Column("discount_id", Uuid, ForeignKey("discounts.id"), nullable=False, index=True),
    Column("cart_id", Uuid, ForeignKey("carts.id"), nullable=False),
    Column("order_id", Uuid, ForeignKey("orders.id")),
    text_column("customer"),
    text_column("state"),
    moment("reserved_at"),
    moment("settled_at", optional=True),
    Index(
        "uq_discount_uses_reserved",
        "cart_id",
        "discount_id",
        unique=True,
        postgresql_where="state = 'RESERVED'",
    ),
    Index("ix_discount_uses_order_id", "order_id", postgresql_where="order_id IS NOT NULL"),
    one_of("state", DiscountUse),
    CheckConstraint("state <> 'USED' OR order_id IS NOT NULL", name="order"),
    CheckConstraint("(state = 'RESERVED') = (settled_at IS NULL)", name="settled"),
)

cart_discount_codes = Table(
    "cart_discount_codes",
    metadata,
    Column("cart_id", Uuid, ForeignKey("carts.id", ondelete="CASCADE"), primary_key=True),
    Column("discount_id", Uuid, ForeignKey("discounts.id"), primary_key=True, index=True),
    moment("applied_at"),
)
