"""Answers that grow with what the shop holds: given up past a bound, and never at everybody's cost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest

from api.context import RequestContext
from api.execution import Answer, Engine
from api.executor import Execution
from api.root import build_schema
from domain.carts import MAX_LINES
from domain.catalog import MAX_VARIANTS
from persistence.database import Database
from realtime.operations import OperationRequest
from services.access import ANONYMOUS
from tests import cart_flows as flow
from tests.factories import Shop, make_context, make_product, make_shop, variant_draft
from tests.postgres import Emptier
from tests.statements import count_statements

ENGINE = Engine(build_schema())
MOST_FIELDS = 200_000
"""What may be answered of one operation before it is given up."""
IN_ONE_GO = 10_000
"""How much of it at most while everybody else waits; what is begun when the pause is due ends first."""

_MONEY = "{ amount currency }"
_VARIANT = f"""id sku name barcode weightGrams version price {_MONEY} box {{ lengthMm widthMm heightMm }}
    availability {{ sku channel available asOf }}"""
_PRODUCT = "product { id name description version archived }"
_LINE = f"""id quantity unitPrice {_MONEY} total {_MONEY} holdExpiresAt
    variant {{ {_VARIANT} {_PRODUCT} }}"""


@dataclass(frozen=True)
class Big:
    """A shop with eight products of 200 variants, and the token of a cart with 1,500 of them."""

    database: Database
    shop: Shop
    token: str


@dataclass
class Work:
    """Fields answered: in all, and between two turns of the event loop at most."""

    fields: int = 0
    in_one_go: int = 0


@pytest.fixture(scope="module")
async def big(_own_database: Database, emptier: Emptier) -> Big:
    """Make it once: it takes some seconds, and nothing here changes it."""
    await emptier.empty()
    shop = await make_shop(_own_database)
    skus: list[str] = []
    while len(skus) < MAX_LINES:
        drafts = [variant_draft(prices={shop.channel.slug: ("1.10", "USD")}) for _ in range(MAX_VARIANTS)]
        skus += [variant.sku for variant in (await make_product(_own_database, *drafts))[1]]
    await flow.run_sql(
        _own_database,
        """SELECT stock_move(array_agg(v.id), array_agg(CAST(:location AS uuid)),
                  array_agg(CAST('adjustment' AS text)), array_agg(CAST('available' AS text)), array_agg(2),
                  array_agg(CAST('RECEIVED' AS text)), 'adjustment', NULL, 'test', now())
             FROM variants v WHERE v.sku = ANY (:skus)""",
        location=shop.location.id,
        skus=skus,
    )
    created = await flow.create_lines(_own_database, shop, [(sku, 1) for sku in skus[:MAX_LINES]])
    return Big(_own_database, shop, created["cartToken"])


@asynccontextmanager
async def watched() -> AsyncIterator[Work]:
    """Count what is answered meanwhile, and how much before somebody else has a turn.

    The clock would tell of the machine, and of who else is busy on it.
    """
    work = Work()
    execute_fields = Execution.execute_fields
    this_turn = 0

    def counted(self: Execution, *arguments: Any) -> Any:
        nonlocal this_turn
        fields = len(arguments[3])
        this_turn += fields
        work.fields += fields
        work.in_one_go = max(work.in_one_go, this_turn)
        return execute_fields(self, *arguments)

    async def look() -> None:
        nonlocal this_turn
        while True:
            this_turn = 0
            await asyncio.sleep(0)

    with patch.object(Execution, "execute_fields", counted):
        looking = asyncio.create_task(look())
        yield work
        looking.cancel()


async def ask(big: Big, query: str) -> tuple[Answer, Work]:
    """Ask as a stranger; whoever else waits for the event loop must not notice."""
    context = RequestContext.of(make_context(big.database, ANONYMOUS))
    given = {"token": big.token, "channel": big.shop.channel.slug}
    operation = ENGINE.prepare(OperationRequest(query, None, given), "test")
    async with watched() as work:
        answer = await ENGINE.execute(operation, context)
    assert 0 < work.in_one_go < IN_ONE_GO, work
    return answer, work


async def test_a_full_cart_with_all_its_fields_is_answered(big: Big) -> None:
    query = f"query($token: String!) {{ cart(token: $token) {{ lines {{ {_LINE} }} }} }}"

    answer, _ = await ask(big, query)

    assert "errors" not in answer
    lines = answer["data"]["cart"]["lines"]
    assert len(lines) == MAX_LINES
    assert {line["variant"]["availability"]["available"] for line in lines} == {1}


async def test_products_of_200_variants_with_all_their_fields_are_answered(big: Big) -> None:
    query = f"""query($channel: String!) {{ products(channel: $channel, first: 100) {{
        edges {{ node {{ name variants {{ {_VARIANT} }} }} }} }} }}"""

    answer, _ = await ask(big, query)

    assert "errors" not in answer
    counts = [len(edge["node"]["variants"]) for edge in answer["data"]["products"]["edges"]]
    assert sorted(counts) == [1] + [MAX_VARIANTS] * 8


_ALIASES = " ".join(f"a{n}: cart(token: $token) {{ ...some }}" for n in range(200))
_DEEP = "variants { product { variants { product { variants { id } } } } }"
_CARTS = f"query($token: String!) {{ {_ALIASES} }} fragment some on Cart"
BOMBS = {
    "200 carts": f"""{_CARTS} {{ lines {{ id quantity unitPrice {_MONEY} total {_MONEY}
        holdExpiresAt variant {{ id sku name version }} }} }}""",
    "200 carts of one field": f"{_CARTS} {{ lines {{ id }} }}",
    "variants of variants": f"""query($channel: String!) {{ products(channel: $channel, first: 20) {{
        edges {{ node {{ {_DEEP} }} }} }} }}""",
    "variants of lines": f"""query($token: String!) {{ cart(token: $token) {{
        lines {{ variant {{ product {{ {_DEEP} }} }} }} }} }}""",
    "products of lines": """query($token: String!) { cart(token: $token) {
        lines { variant { product { variants { id product { name } } } } } } }""",
}


@pytest.mark.parametrize("query", BOMBS.values(), ids=list(BOMBS))
async def test_an_answer_that_outgrows_its_bound_is_given_up(big: Big, query: str) -> None:
    with count_statements(big.database) as sent:
        answer, work = await ask(big, query)

    assert work.fields <= MOST_FIELDS
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COSTLY"
    assert f"{MOST_FIELDS} fields" in error["message"]
    assert len(sent) < 50, "what was still to be read is not read any more"
