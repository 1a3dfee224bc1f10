"""Orders and their lines; the human number comes from a sequence of its own."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Sequence,
    Table,
    Text,
    Uuid,
    text,
)

from domain.orders import OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus
from domain.pricing import AdjustmentKind
from persistence.tables.base import JSON, currency_code, key, metadata, moment, one_of, text_column

order_numbers = Sequence("order_numbers", metadata=metadata, start=100001)

orders = Table(
    "orders",
    metadata,
    key(),
    Column("number", Text, nullable=False, unique=True),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False),
    Column("cart_id", Uuid, ForeignKey("carts.id"), unique=True),
    Column("customer_id", Uuid, index=True),
    text_column("status"),
    # Derived from payments and fulfillment orders by the domain, kept here for lists and filters.
    text_column("payment_status"),
    text_column("fulfillment_status"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("token_generation", Integer, nullable=False, server_default="1"),
    Column("email", Text),
    # The buyer's own, as BCP 47 writes it; null: the channel's.
    Column("locale", Text),
    # Stands for the client address it was ordered from, where orders are counted by it.
    Column("client_number", BigInteger),
    text_column("currency"),
    Column("shipping_address", JSON, nullable=False),
    Column("billing_address", JSON),
    Column("delivery", JSON),
    Column("subtotal_minor", BigInteger, nullable=False),
    Column("shipping_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("discount_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    # What of its money was given back when it was last edited, and what of it staff gave without an edit.
    Column("edited_back_minor", BigInteger, nullable=False, server_default="0"),
    Column("gifts_minor", BigInteger, nullable=False, server_default="0"),
    # Whether the tax is a part of the prices, and not added to them.
    Column("tax_included", Boolean, nullable=False, server_default="false"),
    Column("reason", Text),
    Column("imported", Boolean, nullable=False, server_default="false"),
    # The number the order had where it was imported from, unique with its source.
    Column("external_source", Text),
    Column("external_id", Text),
    # A draft is not placed; until it is, placed_at is when it was made.
    Column("placed", Boolean, nullable=False, server_default="true"),
    moment("placed_at"),
    moment("drafted_at", optional=True),
    # Staff's own words, for staff.
    Column("note", Text),
    moment("closed_at", optional=True),
    Index("ix_orders_placed_at", "placed_at", "id"),
    Index("ix_orders_channel_id_placed_at", "channel_id", "placed_at", "id"),
    # What staff look for, and the orders that wait for them: few among many.
    Index("ix_orders_email", text("lower(email)"), "placed_at"),
    # By whom and whereto orders are counted.
    Index("ix_orders_address_key", text("address_key(shipping_address)"), "placed_at"),
    Index(
        "ix_orders_client_number", "client_number", "placed_at", postgresql_where="client_number IS NOT NULL"
    ),
    Index("ix_orders_external_id", "external_id", postgresql_where="external_id IS NOT NULL"),
    Index("ix_orders_waiting", "placed_at", "id", postgresql_where="status = 'PENDING_APPROVAL'"),
    # What has left as a whole and is not over: it waits for its money.
    Index(
        "ix_orders_sent",
        "id",
        postgresql_where="status = 'OPEN' AND fulfillment_status IN ('FULFILLED', 'DELIVERED')",
    ),
    Index("ix_orders_drafts", "placed_at", "id", postgresql_where="status = 'DRAFT'"),
    Index(
        "uq_orders_external",
        "external_source",
        "external_id",
        unique=True,
        postgresql_where="external_id IS NOT NULL",
    ),
    CheckConstraint(
        "total_minor = subtotal_minor + shipping_minor - discount_minor"
        " + CASE WHEN tax_included THEN 0 ELSE tax_minor END",
        name="total",
    ),
    CheckConstraint(
        "least(subtotal_minor, shipping_minor, tax_minor, discount_minor, total_minor) >= 0",
        name="amounts",
    ),
    CheckConstraint("edited_back_minor >= 0", name="edited_back"),
    CheckConstraint("gifts_minor >= 0", name="gifts"),
    CheckConstraint("NOT tax_included OR tax_minor <= total_minor", name="tax"),
    CheckConstraint("placed = (status <> 'DRAFT') OR (NOT placed AND status = 'CANCELED')", name="placed"),
    CheckConstraint("placed OR drafted_at IS NOT NULL", name="drafted"),
    CheckConstraint("external_id IS NULL OR external_source IS NOT NULL", name="external"),
    currency_code(),
    one_of("status", OrderStatus),
    one_of("payment_status", OrderPaymentStatus),
    one_of("fulfillment_status", OrderFulfillmentStatus),
)

order_lines = Table(
    "order_lines",
    metadata,
    key(),
    Column("order_id", Uuid, ForeignKey("orders.id", ondelete="CASCADE"), nullable=False),
    # Null when the variant of an imported order is not in the catalogue.
    Column("variant_id", Uuid, ForeignKey("variants.id"), index=True),
    text_column("sku"),
    text_column("name"),
    Column("quantity", Integer, nullable=False),
    Column("unit_price_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    # Its part of the order's discount and tax.
    Column("discount_minor", BigInteger, nullable=False, server_default="0"),
    Column("tax_minor", BigInteger, nullable=False, server_default="0"),
    Column("quantity_shipped", Integer, nullable=False, server_default="0"),
    Column("quantity_returned", Integer, nullable=False, server_default="0"),
    Column("position", Integer, nullable=False),
    Index("ix_order_lines_order_id", "order_id", "position"),
    # What is in no catalogue has no name but the one that it was sold under.
    Index("ix_order_lines_unknown_sku", "sku", "id", postgresql_where="variant_id IS NULL"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("quantity_shipped BETWEEN 0 AND quantity", name="quantity_shipped"),
    CheckConstraint("quantity_returned BETWEEN 0 AND quantity", name="quantity_returned"),
    CheckConstraint("total_minor = unit_price_minor * quantity", name="total"),
    CheckConstraint("unit_price_minor >= 0", name="unit_price"),
    CheckConstraint("discount_minor BETWEEN 0 AND greatest(total_minor, 0)", name="discount"),
    CheckConstraint("tax_minor >= 0", name="tax"),
)

# Why the order costs what it does, frozen with it: discounts in the order they applied, then taxes.
order_adjustments = Table(
    "order_adjustments",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    # Null: it is of the delivery.
    Column("order_line_id", Uuid, ForeignKey("order_lines.id", ondelete="CASCADE"), index=True),
    text_column("kind"),
    # The discount, or the tax rate, which may be gone by now.
    Column("source_id", Uuid, nullable=False),
    text_column("label"),
    Column("code", Text),
    Column("percent", Numeric(7, 4)),
    Column("amount_minor", BigInteger, nullable=False),
    one_of("kind", AdjustmentKind),
    CheckConstraint("amount_minor >= 0", name="amount"),
)
