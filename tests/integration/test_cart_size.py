"""Carts of 1,500 lines: as many statements as a cart of one line, and well under a second of computing."""

import gc
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from domain.carts import MAX_LINES
from persistence.database import Database
from services.order_placement import place
from tests import cart_flows as flow
from tests.checkouts import till
from tests.factories import (
    Shop,
    make_discount,
    make_product,
    make_shop,
    make_tax_rate,
    variant_draft,
)
from tests.statements import count_statements

CPU_SECONDS = 1.0
"""What this process may compute for one operation; how long it waits depends on who else is busy."""


@pytest.fixture
async def big_shop(database: Database) -> tuple[Shop, list[str]]:
    """A shop with one unit more of 1,501 variants than a cart of them needs."""
    shop = await make_shop(database, stock=5)
    skus: list[str] = []
    while len(skus) < MAX_LINES:
        drafts = [variant_draft(prices={shop.channel.slug: ("1.10", "USD")}) for _ in range(150)]
        skus += [variant.sku for variant in (await make_product(database, *drafts))[1]]
    await flow.run_sql(
        database,
        """SELECT stock_move(array_agg(v.id), array_agg(CAST(:location AS uuid)),
                  array_agg(CAST('adjustment' AS text)), array_agg(CAST('available' AS text)), array_agg(2),
                  array_agg(CAST('RECEIVED' AS text)), 'adjustment', NULL, 'test', now())
             FROM variants v WHERE v.sku = ANY (:skus)""",
        location=shop.location.id,
        skus=skus,
    )
    return shop, skus


@pytest.fixture
def frozen_garbage() -> Iterator[None]:
    """Spare the collector what other tests have left, as the server does with what start-up leaves."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen_garbage")
async def test_a_cart_takes_1500_lines_and_no_more(
    database: Database, big_shop: tuple[Shop, list[str]]
) -> None:
    shop, skus = big_shop
    started = time.process_time()
    with count_statements(database) as sent:
        created = await flow.create_lines(database, shop, [(sku, 1) for sku in skus])
    assert time.process_time() - started < CPU_SECONDS
    assert len(sent) <= 6, sent
    assert [line["variant"]["sku"] for line in created["cart"]["lines"]] == skus
    assert created["cart"]["totals"]["total"]["amount"] == "1650.00"
    token = created["cartToken"]

    started = time.process_time()
    refused = await flow.add(database, token, shop.variant.sku, 1)
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
        ("INVALID_INPUT", ["variant"])
    ]
    added = await flow.add(database, token, skus[700], 1)
    assert added["cart"]["lines"][700]["quantity"] == 2
    updated = await flow.update(database, token, email="ada@example.org")
    assert len(updated["cart"]["lines"]) == MAX_LINES
    assert time.process_time() - started < 3 * CPU_SECONDS

    too_many = await flow.create_lines(database, shop, [(sku, 1) for sku in [*skus, shop.variant.sku]])
    assert [(error["code"], error["path"]) for error in too_many["userErrors"]] == [
        ("INVALID_INPUT", ["lines"])
    ]


@pytest.mark.usefixtures("frozen_garbage")
async def test_1500_lines_with_discounts_and_taxes_become_an_order_that_adds_up(
    database: Database, big_shop: tuple[Shop, list[str]]
) -> None:
    shop, skus = big_shop
    await make_discount(database, shop.channel)
    await make_discount(database, shop.channel, name="Three", percent=Decimal(3), priority=1)
    await make_tax_rate(database, shop.channel, "19")
    created = await flow.create_lines(database, shop, [(sku, 1) for sku in skus], email="ada@example.org")
    token = created["cartToken"]
    address = {"name": "A", "line1": "1 St", "city": "London", "postalCode": "SW1A 2AA", "country": "GB"}
    cart = (await flow.update(database, token, shippingAddress=address))["cart"]
    await flow.select(database, token, cart["deliveryOptions"][0]["id"])

    started = time.process_time()
    with count_statements(database) as sent:
        placed = await place(till(database), token, "sandbox", "ok", "key")
    assert time.process_time() - started < CPU_SECONDS
    assert len(sent) <= 15, sent

    assert placed.order is not None
    assert placed.placement is not None
    lines = placed.placement.lines
    # 10 % of 1650.00, then 3 % of what is left; each line's tax is rounded by itself.
    assert placed.order.totals.discount_minor == sum(line.discount_minor for line in lines) == 16500 + 4455
    assert placed.order.totals.tax_minor == sum(line.tax_minor for line in lines)
    assert placed.order.total_minor == 165_000 - 20_955 + placed.order.totals.tax_minor
    (kept,) = await flow.run_sql(
        database, "SELECT count(*) AS number, sum(amount_minor) AS minor FROM order_adjustments"
    )
    assert kept.number == len(placed.placement.adjustments) > 2 * MAX_LINES
    assert kept.minor == placed.order.totals.discount_minor + placed.order.totals.tax_minor
