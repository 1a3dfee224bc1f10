"""Whatever is created between its pages, a list neither skips nor repeats a product."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistence.database import Database
from tests import factories

LIST = """
query ($channel: String!, $first: Int, $after: String, $orderBy: ProductOrder!) {
  products(channel: $channel, first: $first, after: $after, orderBy: $orderBy) {
    edges { node { id name } } pageInfo { hasNextPage endCursor }
  }
}
"""
NAMES = st.lists(st.sampled_from(["a", "b", "B", "é", "zz", "\U0001f9e6"]), min_size=1, max_size=8)


async def create(database: Database, channel: str, names: list[str]) -> None:
    for name in names:
        draft = factories.variant_draft(prices={channel: ("1", "USD")})
        await factories.make_product(database, draft, name=name)


@pytest.mark.parametrize("order", ["OLDEST", "NEWEST", "NAME"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(1, 4), before=NAMES, between=st.lists(NAMES, max_size=4))
async def test_no_product_is_skipped_or_repeated(
    database: Database, order: str, first: int, before: list[str], between: list[list[str]]
) -> None:
    channel = (await factories.make_channel(database)).slug
    await create(database, channel, before)
    asked: dict[str, Any] = {"channel": channel, "first": 100, "orderBy": order}
    there = [
        edge["node"]["id"] for edge in (await factories.data_of(database, LIST, asked))["products"]["edges"]
    ]
    seen: list[str] = []
    after = None
    more = True
    while more:
        arriving = between.pop() if between else []
        page, _ = await asyncio.gather(
            factories.data_of(database, LIST, {**asked, "first": first, "after": after}),
            create(database, channel, arriving),
        )
        found = page["products"]
        assert len(found["edges"]) <= first
        seen += [edge["node"]["id"] for edge in found["edges"]]
        after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in set(there)] == there
