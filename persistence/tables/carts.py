"""Carts and their lines."""

from sqlalchemy import (
    BigInteger,
    Boolean,
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

from domain.carts import CartStatus
from persistence.tables.base import JSON, currency_code, key, metadata, moment, one_of, text_column

carts = Table(
    "carts",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    # Part of what the secret token is derived from: raising it revokes the old token.
    Column("token_generation", Integer, nullable=False, server_default="1"),
    text_column("currency"),
    Column("email", Text),
    # The buyer's own, as BCP 47 writes it; null: the channel's.
    Column("locale", Text),
    Column("customer_id", Uuid),
    # As who has seen the customer says; null: nobody has.
    Column("customer_group", Text),
    Column("shipping_address", JSON),
    Column("billing_address", JSON),
    # The delivery rate chosen; its price is the rate's until the order is placed.
    Column("delivery_rate_id", Uuid, ForeignKey("delivery_rates.id", ondelete="SET NULL")),
    # The carrier's quote chosen instead of a rate; one that holds no more does not count.
    Column("delivery_quote_id", Uuid),
    # What staff ask for that rate instead, for an order that they have made.
    Column("delivery_price_minor", BigInteger),
    # Where it is collected instead of being delivered, and who collects it, if no address says so.
    Column("pickup_location_id", Uuid, ForeignKey("locations.id")),
    Column("pickup_contact", Text),
    # The order it became; a cart that staff made has it from the start, its order being a DRAFT.
    Column("order_id", Uuid),
    # False for a draft that takes no stock off sale until it is paid for.
    Column("holds_stock", Boolean, nullable=False, server_default="true"),
    # What the tax service has said of it, and a hash of what it was asked: as KeptQuote has it.
    Column("tax_quote", JSON),
    moment("created_at"),
    moment("active_at"),
    moment("abandoned_at", optional=True),
    moment("closed_at", optional=True),
    # No hold of the cart ends before: when the sweep has to look at it next. Null: it has none.
    moment("holds_due_at", optional=True),
    # When the shopper was last told that the holds are about to end.
    moment("holds_warned_at", optional=True),
    # Stands for the client address an anonymous cart was made or ordered from, where that is limited by it.
    Column("address_number", BigInteger),
    Index("ix_carts_active_at", "active_at", postgresql_where="status = 'ACTIVE' AND order_id IS NULL"),
    Index(
        "ix_carts_holds_due_at",
        "holds_due_at",
        postgresql_where="holds_due_at IS NOT NULL AND status IN ('ACTIVE', 'CHECKOUT', 'ABANDONED')",
    ),
    Index("ix_carts_abandoned_at", "abandoned_at", postgresql_where="status = 'ABANDONED'"),
    Index(
        "ix_carts_address_number",
        "address_number",
        postgresql_where="address_number IS NOT NULL AND status IN ('ACTIVE', 'CHECKOUT', 'ABANDONED')",
    ),
    Index("ix_carts_checkout", "channel_id", postgresql_where="status = 'CHECKOUT'"),
    one_of("status", CartStatus),
    CheckConstraint("status <> 'COMPLETED' OR order_id IS NOT NULL", name="completed"),
    CheckConstraint("status <> 'ABANDONED' OR abandoned_at IS NOT NULL", name="abandoned"),
    CheckConstraint("delivery_price_minor >= 0", name="delivery_price"),
    CheckConstraint("pickup_location_id IS NOT NULL OR pickup_contact IS NULL", name="pickup"),
    currency_code(),
)

cart_lines = Table(
    "cart_lines",
    metadata,
    key(),
    Column("cart_id", Uuid, ForeignKey("carts.id", ondelete="CASCADE"), nullable=False),
    Column("variant_id", Uuid, ForeignKey("variants.id"), nullable=False, index=True),
    Column("quantity", Integer, nullable=False),
    # In the channel's currency, as it was when the line was last changed.
    Column("unit_price_minor", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    # Staff set the price: a change of the quantity leaves it.
    Column("price_fixed", Boolean, nullable=False, server_default="false"),
    UniqueConstraint("cart_id", "variant_id"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("unit_price_minor >= 0", name="unit_price"),
)
