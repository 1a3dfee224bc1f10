"""Rules of single rows are kept by the database itself, whoever writes them."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from persistence.database import Database
from tests.checkouts import make_ready_cart, make_stocked_shop, order_now

BROKEN = [
    ("UPDATE variants SET length_mm = 10", "ck_variants_whole_box"),
    ("UPDATE variants SET length_mm = 10, width_mm = 10, height_mm = 0", "ck_variants_box"),
    ("UPDATE prices SET currency = 'usd'", "ck_prices_currency"),
    ("UPDATE carts SET currency = 'US'", "ck_carts_currency"),
    ("UPDATE carts SET status = 'COMPLETED', order_id = NULL", "ck_carts_completed"),
    ("UPDATE carts SET status = 'ABANDONED'", "ck_carts_abandoned"),
    ("UPDATE carts SET delivery_price_minor = -1", "ck_carts_delivery_price"),
    ("UPDATE orders SET placed = false, drafted_at = placed_at", "ck_orders_placed"),
    ("UPDATE orders SET status = 'DRAFT'", "ck_orders_placed"),
    ("UPDATE orders SET status = 'CANCELED', placed = false", "ck_orders_drafted"),
    ("UPDATE orders SET currency = 'Dollar'", "ck_orders_currency"),
    ("UPDATE orders SET tax_minor = -1, total_minor = total_minor - 1", "ck_orders_amounts"),
    ("UPDATE orders SET discount_minor = -1, total_minor = total_minor + 1", "ck_orders_amounts"),
    (
        "UPDATE orders SET subtotal_minor = 0, shipping_minor = 0, discount_minor = 1, total_minor = -1",
        "ck_orders_amounts",
    ),
    ("UPDATE orders SET external_id = '1'", "ck_orders_external"),
    (
        "UPDATE order_lines SET unit_price_minor = -1, total_minor = -quantity",
        "ck_order_lines_unit_price",
    ),
    ("UPDATE payments SET currency = ''", "ck_payments_currency"),
    ("UPDATE payments SET cart_id = NULL, order_id = NULL", "ck_payments_purpose"),
    ("UPDATE delivery_rates SET max_days = -1", "ck_delivery_rates_days"),
    ("UPDATE delivery_rates SET min_days = 3, max_days = 2", "ck_delivery_rates_days"),
]


@pytest.mark.parametrize(("statement", "rule"), BROKEN, ids=[statement for statement, _ in BROKEN])
async def test_a_row_that_breaks_a_rule_is_refused(database: Database, statement: str, rule: str) -> None:
    shop = await make_stocked_shop(database, 5)
    await make_ready_cart(database, shop, 1)
    assert (await order_now(database, shop, 1)).order is not None
    with pytest.raises(DBAPIError, match=f'"{rule}"'):
        async with database.transaction() as connection:
            await connection.execute(text(statement))
