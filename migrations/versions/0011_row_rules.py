"""Every rule that one row can break is a CHECK, whatever writes the row.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

CURRENCY = "currency ~ '^[A-Z]{3}$'"
RULES = (
    ("variants", "whole_box", "num_nonnulls(length_mm, width_mm, height_mm) IN (0, 3)"),
    ("prices", "currency", CURRENCY),
    ("carts", "currency", CURRENCY),
    ("carts", "completed", "status <> 'COMPLETED' OR order_id IS NOT NULL"),
    ("carts", "abandoned", "status <> 'ABANDONED' OR abandoned_at IS NOT NULL"),
    ("orders", "currency", CURRENCY),
    (
        "orders",
        "amounts",
        "least(subtotal_minor, shipping_minor, tax_minor, discount_minor, total_minor) >= 0",
    ),
    ("orders", "external", "external_id IS NULL OR external_source IS NOT NULL"),
    ("order_lines", "unit_price", "unit_price_minor >= 0"),
    ("payments", "currency", CURRENCY),
    ("payments", "purpose", "num_nonnulls(cart_id, order_id) > 0"),
)
"""Table, name and rule of each constraint that is new."""


def upgrade() -> None:
    """Add the rules, and let none of delivery times pass because one of its columns is null."""
    for table, name, rule in RULES:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)
    _days("min_days >= 0 AND max_days >= coalesce(min_days, 0)")


def downgrade() -> None:
    """Take them away again."""
    _days("min_days >= 0 AND max_days >= min_days")
    for table, name, _ in reversed(RULES):
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)


def _days(rule: str) -> None:
    op.drop_constraint(op.f("ck_delivery_rates_days"), "delivery_rates")
    op.create_check_constraint(op.f("ck_delivery_rates_days"), "delivery_rates", rule)
