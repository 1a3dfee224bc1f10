"""Carts of 1,500 lines: as many statements as a cart of one line, and well under a second of computing."""

import gc
import time
from collections.abc import Iterator

import pytest

from domain.carts import MAX_LINES
from persistence.database import Database
from tests import cart_flows as flow
from tests.factories import Shop, make_product, make_shop, variant_draft
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
