"""Whether an order is in a list: the domain says of one order what SQL says of all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.ids import new_id
from domain.order_lists import OrderFilter, check_search
from domain.orders import OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus
from persistence import order_lists, orders
from persistence.database import Database
from persistence.tables import orders as tables
from tests.factories import make_channel

START = datetime(2030, 1, 1, tzinfo=UTC)
ADDRESS = {"name": "Ada", "line1": "1 Main St", "city": "Dublin", "country": "IE"}
# Letters whose small form is another's, two letters, or depends on where they stand.
NAMES = ["ada", "Ada", "ADA", "zoë", "ZOË", "ΣΑΣ", "σας", "σασ", "İpek", "ipek", "straße", "STRASSE"]  # noqa: RUF001 - Greek
EMAILS = st.sampled_from(NAMES).map(lambda name: f"{name}@example.org")
MOMENTS = st.integers(-3, 3).map(lambda steps: START + timedelta(microseconds=steps))
NUMBERS = ["A-1", "a-1", "1", "2"]
CHANNELS = st.integers(0, 1)


def subsets(statuses: Any) -> Any:
    return st.none() | st.lists(st.sampled_from(statuses), max_size=len(statuses) // 2 + 1, unique=True)


@st.composite
def filters(draw: st.DrawFn) -> tuple[OrderFilter, int | None]:
    """A filter as a service has checked it, and which of two channels it names."""
    search = draw(st.none() | EMAILS | st.sampled_from([*NUMBERS, "100001", " ", ""]))
    narrowed = OrderFilter(
        statuses=draw(subsets(list(OrderStatus))),
        payment_statuses=draw(subsets(list(OrderPaymentStatus))),
        fulfillment_statuses=draw(subsets(list(OrderFulfillmentStatus))),
        placed_from=draw(st.none() | MOMENTS),
        placed_before=draw(st.none() | MOMENTS),
        search=check_search(search),
    )
    return narrowed, draw(st.none() | CHANNELS)


ORDERS = st.lists(
    st.fixed_dictionaries(
        {
            "channel": CHANNELS,
            "status": st.sampled_from(OrderStatus),
            "payment_status": st.sampled_from(OrderPaymentStatus),
            "fulfillment_status": st.sampled_from(OrderFulfillmentStatus),
            "email": st.none() | EMAILS,
            "external_id": st.none() | st.sampled_from(NUMBERS),
            "placed_at": MOMENTS,
        }
    ),
    min_size=5,
    max_size=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_orders=ORDERS, given_filters=st.lists(filters(), min_size=10, max_size=30))
async def test_an_order_matches_exactly_where_the_list_has_it(
    database: Database,
    given_orders: list[dict[str, Any]],
    given_filters: list[tuple[OrderFilter, int | None]],
) -> None:
    channels = [(await make_channel(database)).id for _ in range(2)]
    async with database.engine.connect() as connection:
        rows = [_row(one, channels, position) for position, one in enumerate(given_orders)]
        await connection.execute(insert(tables.orders), rows)
        stored = list((await orders.by_ids(connection, [row["id"] for row in rows])).values())
        assert len(stored) == len(rows)
        for narrowed, channel in given_filters:
            wanted = replace(narrowed, channel_id=None if channel is None else channels[channel])
            assert await _listed(connection, wanted) == {one.id for one in stored if wanted.matches(one)}
            lasting = replace(wanted, statuses=None, payment_statuses=None, fulfillment_statuses=None)
            possible = {one.id for one in stored if wanted.may_ever_match(one)}
            # Of a draft nothing but the channel stayed as it was.
            here = {one.id for one in stored if wanted.channel_id in {None, one.channel_id}}
            drafts = {one.id for one in stored if one.drafted_at is not None}
            assert await _listed(connection, lasting) | (here & drafts) == possible
        await connection.rollback()


async def _listed(connection: AsyncConnection, wanted: OrderFilter) -> set[UUID]:
    return {one.id for one in await order_lists.page(connection, wanted, 100, None)}


def _row(drawn: dict[str, Any], channels: Sequence[UUID], position: int) -> dict[str, Any]:
    amounts = dict.fromkeys(["subtotal", "shipping", "tax", "discount", "total"], 0)
    external = drawn["external_id"]
    return {
        **{name: value for name, value in drawn.items() if name != "channel"},
        **{f"{name}_minor": amount for name, amount in amounts.items()},
        "id": new_id(),
        "number": str(100_001 + position),
        "channel_id": channels[drawn["channel"]],
        "currency": "EUR",
        "shipping_address": ADDRESS,
        "external_source": None if external is None else f"source {position}",
        "imported": external is not None,
        "placed": drawn["status"] is not OrderStatus.DRAFT,
        "drafted_at": START if drawn["status"] is OrderStatus.DRAFT else None,
    }
