"""Products, their variants, and a price per variant and channel."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    column,
    func,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from domain.taxes import STANDARD
from persistence.tables.base import currency_code, key, metadata, moment, text_column

products = Table(
    "products",
    metadata,
    key(),
    text_column("name"),
    text_column("description", optional=True),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
    Column(
        "search",
        TSVECTOR,
        Computed(
            "to_tsvector('simple'::regconfig, name || ' ' || coalesce(description, ''))",
            persisted=True,
        ),
    ),
    Index("ix_products_search", "search", postgresql_using="gin"),
    Index("ix_products_name", "name", "id", postgresql_where="archived_at IS NULL"),
    CheckConstraint("name <> ''", name="name"),
)

variants = Table(
    "variants",
    metadata,
    key(),
    Column("product_id", Uuid, ForeignKey("products.id"), nullable=False, index=True),
    Column("sku", Text, nullable=False, unique=True),
    text_column("name"),
    Column("barcode", Text, index=True),
    Column("weight_grams", Integer),
    Column("length_mm", Integer),
    Column("width_mm", Integer),
    Column("height_mm", Integer),
    Column("tax_class", Text, nullable=False, server_default=STANDARD),
    Column("supplier_id", Uuid, ForeignKey("suppliers.id"), index=True),
    # What a location has to be fit for to handle it ("hazmat").
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
    # Whether it is sold beyond its stock, how many units at most (null: any), and when those are sent.
    Column("backorder", Boolean, nullable=False, server_default="false"),
    Column("backorder_limit", Integer),
    moment("available_from", optional=True),
    # A SKU is searched by its beginning, in either case.
    Index(
        "ix_variants_sku_lower",
        func.lower(column("sku")).label("sku_lower"),
        postgresql_ops={"sku_lower": "text_pattern_ops"},
    ),
    CheckConstraint("sku <> ''", name="sku"),
    CheckConstraint("tax_class ~ '^[a-z0-9][a-z0-9_-]{0,39}$'", name="tax_class"),
    CheckConstraint("weight_grams >= 0", name="weight"),
    CheckConstraint("backorder_limit > 0", name="backorder_limit"),
    CheckConstraint("length_mm > 0 AND width_mm > 0 AND height_mm > 0", name="box"),
    CheckConstraint("num_nonnulls(length_mm, width_mm, height_mm) IN (0, 3)", name="whole_box"),
)

prices = Table(
    "prices",
    metadata,
    Column("variant_id", Uuid, ForeignKey("variants.id"), primary_key=True),
    Column("channel_id", Uuid, ForeignKey("channels.id"), primary_key=True, index=True),
    Column("amount_minor", BigInteger, nullable=False),
    text_column("currency"),
    moment("changed_at"),
    CheckConstraint("amount_minor >= 0", name="amount"),
    currency_code(),
)
