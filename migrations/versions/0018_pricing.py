"""Discounts, taxes, and orders that say why they cost what they cost.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TOTAL = "ck_orders_total"
_ADDED = "total_minor = subtotal_minor + shipping_minor + tax_minor - discount_minor"
_ADDED_OR_INCLUDED = (
    "total_minor = subtotal_minor + shipping_minor - discount_minor"
    " + CASE WHEN tax_included THEN 0 ELSE tax_minor END"
)
_CLASS = "tax_class ~ '^[a-z0-9][a-z0-9_-]{0,39}$'"


def upgrade() -> None:
    """Add them; whatever there is has no discount, and its tax, if any, was added to the prices."""
    _settings()
    _tax_rates()
    _discounts()
    _uses()
    _orders()


def downgrade() -> None:
    """Take all of it away; fails where an order's prices include tax."""
    op.drop_table("order_adjustments")
    op.drop_column("order_lines", "tax_minor")
    op.drop_column("order_lines", "discount_minor")
    op.drop_constraint(op.f("ck_orders_tax"), "orders", type_="check")
    op.drop_constraint(op.f(_TOTAL), "orders", type_="check")
    op.create_check_constraint(op.f(_TOTAL), "orders", _ADDED)
    op.drop_column("orders", "tax_included")
    for table in ("cart_discount_codes", "discount_uses", "discount_customers", "discounts", "tax_rates"):
        op.drop_table(table)
    op.drop_column("variants", "tax_class")
    op.drop_column("channels", "tax_rounding")
    op.drop_column("channels", "prices_include_tax")


def _settings() -> None:
    op.add_column(
        "channels",
        sa.Column("prices_include_tax", sa.Boolean(), server_default="false", nullable=False),
    )
    op.add_column("channels", sa.Column("tax_rounding", sa.Text(), server_default="LINE", nullable=False))
    op.create_check_constraint(
        op.f("ck_channels_tax_rounding"), "channels", "tax_rounding IN ('LINE', 'ORDER')"
    )
    op.add_column("variants", sa.Column("tax_class", sa.Text(), server_default="standard", nullable=False))
    op.create_check_constraint(op.f("ck_variants_tax_class"), "variants", _CLASS)


def _tax_rates() -> None:
    op.create_table(
        "tax_rates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("tax_class", sa.Text(), server_default="standard", nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("percent", sa.Numeric(7, 4), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applies_to_shipping", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name=op.f("ck_tax_rates_percent")),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_tax_rates_country")),
        sa.CheckConstraint(_CLASS, name=op.f("ck_tax_rates_tax_class")),
        sa.CheckConstraint(
            "NOT applies_to_shipping OR tax_class = 'standard'", name=op.f("ck_tax_rates_shipping")
        ),
        sa.CheckConstraint("valid_until > valid_from", name=op.f("ck_tax_rates_valid")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_tax_rates_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rates")),
        sa.UniqueConstraint(
            "channel_id",
            "country",
            "region",
            "tax_class",
            "name",
            "valid_from",
            name=op.f("uq_tax_rates_channel_id_country_region_tax_class_name_valid_from"),
            postgresql_nulls_not_distinct=True,
        ),
    )


def _discounts() -> None:
    op.create_table(
        "discounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("basis_points", sa.Integer(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("buy_quantity", sa.Integer(), nullable=True),
        sa.Column("get_quantity", sa.Integer(), nullable=True),
        sa.Column("minimum_subtotal_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("skus", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("usage_limit", sa.Integer(), nullable=True),
        sa.Column("usage_limit_per_customer", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), server_default="0", nullable=False),
        sa.Column("combinable", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.CheckConstraint(rule, name=op.f(f"ck_discounts_{name}"))
            for name, rule in {
                "kind": "kind IN ('PERCENTAGE', 'FIXED_AMOUNT', 'FREE_SHIPPING', 'BUY_X_GET_Y')",
                "code": "code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'",
                "percentage": "(kind IN ('PERCENTAGE', 'BUY_X_GET_Y')) = (basis_points IS NOT NULL)",
                "fixed_amount": "(kind = 'FIXED_AMOUNT') = (amount_minor IS NOT NULL)",
                "buy_x_get_y": "num_nonnulls(buy_quantity, get_quantity)"
                " = CASE kind WHEN 'BUY_X_GET_Y' THEN 2 ELSE 0 END",
                "basis_points": "basis_points BETWEEN 1 AND 10000",
                "amount": "amount_minor > 0",
                "quantities": "buy_quantity > 0 AND get_quantity > 0",
                "minimum_subtotal": "minimum_subtotal_minor >= 0",
                "period": "ends_at > starts_at",
                "limits": "usage_limit > 0 AND usage_limit_per_customer > 0",
                "used": "used >= 0 AND used <= usage_limit",
            }.items()
        ),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_discounts_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discounts")),
    )
    op.create_index("uq_discounts_code", "discounts", ["channel_id", sa.text("lower(code)")], unique=True)
    op.create_index("ix_discounts_created_at", "discounts", ["created_at", "id"])
    op.create_index(
        "ix_discounts_automatic",
        "discounts",
        ["channel_id"],
        postgresql_where=sa.text("code IS NULL AND active"),
    )
    op.create_table(
        "cart_discount_codes",
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("discount_id", sa.Uuid(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["cart_id"], ["carts.id"], name=op.f("fk_cart_discount_codes_cart_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["discount_id"], ["discounts.id"], name=op.f("fk_cart_discount_codes_discount_id")
        ),
        sa.PrimaryKeyConstraint("cart_id", "discount_id", name=op.f("pk_cart_discount_codes")),
    )
    op.create_index(op.f("ix_cart_discount_codes_discount_id"), "cart_discount_codes", ["discount_id"])


def _uses() -> None:
    op.create_table(
        "discount_customers",
        sa.Column("discount_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0", name=op.f("ck_discount_customers_used")),
        sa.ForeignKeyConstraint(
            ["discount_id"], ["discounts.id"], name=op.f("fk_discount_customers_discount_id")
        ),
        sa.PrimaryKeyConstraint("discount_id", "customer", name=op.f("pk_discount_customers")),
    )
    op.create_table(
        "discount_uses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("discount_id", sa.Uuid(), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('RESERVED', 'USED', 'RELEASED')", name=op.f("ck_discount_uses_state")),
        sa.CheckConstraint("state <> 'USED' OR order_id IS NOT NULL", name=op.f("ck_discount_uses_order")),
        sa.CheckConstraint(
            "(state = 'RESERVED') = (settled_at IS NULL)", name=op.f("ck_discount_uses_settled")
        ),
        sa.ForeignKeyConstraint(["discount_id"], ["discounts.id"], name=op.f("fk_discount_uses_discount_id")),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.id"], name=op.f("fk_discount_uses_cart_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_discount_uses_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discount_uses")),
    )
    op.create_index(op.f("ix_discount_uses_discount_id"), "discount_uses", ["discount_id"])
    op.create_index(
        "uq_discount_uses_reserved",
        "discount_uses",
        ["cart_id", "discount_id"],
        unique=True,
        postgresql_where=sa.text("state = 'RESERVED'"),
    )
    op.create_index(
        "ix_discount_uses_order_id",
        "discount_uses",
        ["order_id"],
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )


def _orders() -> None:
    op.add_column("orders", sa.Column("tax_included", sa.Boolean(), server_default="false", nullable=False))
    op.drop_constraint(op.f(_TOTAL), "orders", type_="check")
    op.create_check_constraint(op.f(_TOTAL), "orders", _ADDED_OR_INCLUDED)
    op.create_check_constraint(
        op.f("ck_orders_tax"), "orders", "NOT tax_included OR tax_minor <= total_minor"
    )
    for column, rule in (
        ("discount_minor", "discount_minor BETWEEN 0 AND greatest(total_minor, 0)"),
        ("tax_minor", "tax_minor >= 0"),
    ):
        op.add_column("order_lines", sa.Column(column, sa.BigInteger(), server_default="0", nullable=False))
        name = op.f(f"ck_order_lines_{column.removesuffix('_minor')}")
        op.create_check_constraint(name, "order_lines", rule)
    op.create_table(
        "order_adjustments",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("percent", sa.Numeric(7, 4), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('DISCOUNT', 'TAX')", name=op.f("ck_order_adjustments_kind")),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_order_adjustments_amount")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_order_adjustments_order_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["order_line_id"],
            ["order_lines.id"],
            name=op.f("fk_order_adjustments_order_line_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_order_adjustments")),
    )
    op.create_index(op.f("ix_order_adjustments_order_line_id"), "order_adjustments", ["order_line_id"])
