"""What a shopper is promised: shown with each option, kept by the order and its parts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from persistence.database import Database
from services.access import ANONYMOUS
from services.payment_sweep import settle_due
from tests import cart_flows as flow
from tests.checkouts import later
from tests.delivery import GERMAN, make_rate, option_id, set_calendar
from tests.factories import Shop, data_of, give_stock, make_location, make_shop
from tests.integration.test_delivery_quotes import place

OPTIONS = "query ($token: String!) { cart(token: $token) { deliveryOptions { service earliest latest } } }"


@dataclass(frozen=True)
class FixedClock:
    """A clock that has stopped."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop in Berlin with ten units, that works Monday to Friday until 14:00."""
    made = await make_shop(database, stock=10)
    await set_calendar(database, made.location, holidays="DE-BE", cut_off="14:00")
    return made


async def a_cart(database: Database, shop: Shop, units: int = 1) -> str:
    token: str = (await flow.create(database, shop, units))["cartToken"]
    await flow.update(database, token, shippingAddress=GERMAN, email="ada@example.org")
    return token


async def promised(database: Database, token: str, now: datetime) -> tuple[str | None, str | None]:
    """Return what the option of 4.90 promises at a moment."""
    data = await data_of(database, OPTIONS, {"token": token}, ANONYMOUS, clock=FixedClock(now))
    found: Any = next(one for one in data["cart"]["deliveryOptions"] if one["service"] == "4.90")
    return found["earliest"], found["latest"]


async def test_a_cut_off_decides_which_days_are_promised(database: Database, shop: Shop) -> None:
    await make_rate(database, shop, "4.90", min_days=1, max_days=2)
    token = await a_cart(database, shop)
    before = await promised(database, token, datetime(2026, 12, 3, 12, 59, 59, tzinfo=UTC))
    assert before == ("2026-12-03T23:00:00+00:00", "2026-12-07T22:59:59+00:00")
    after = await promised(database, token, datetime(2026, 12, 3, 13, tzinfo=UTC))
    assert after == ("2026-12-06T23:00:00+00:00", "2026-12-08T22:59:59+00:00")


async def test_a_closed_day_of_the_location_is_not_counted_on(database: Database, shop: Shop) -> None:
    await make_rate(database, shop, "4.90", min_days=1, max_days=1)
    await flow.run_sql(
        database,
        "INSERT INTO location_closures (location_id, day) VALUES (:id, current_date + 1), (:id, current_date)"
        " RETURNING day",
        id=shop.location.id,
    )
    await set_calendar(database, shop.location, time_zone="UTC", working_days=range(1, 8))
    now = datetime.now(UTC)
    _, latest = await promised(database, await a_cart(database, shop), now)
    assert latest is not None
    assert (datetime.fromisoformat(latest) - now).days >= 2


async def test_goods_from_two_places_are_promised_by_the_slower_one(database: Database, shop: Shop) -> None:
    await make_rate(database, shop, "4.90", min_days=1, max_days=1)
    second = await make_location(database)
    await set_calendar(database, second, working_days=[2])
    await give_stock(database, shop.variant, second, 10)
    await flow.serve_from(database, shop.channel, [shop.location, second])
    thursday = datetime(2026, 12, 3, 9, tzinfo=UTC)
    from_one = await promised(database, await a_cart(database, shop, 5), thursday)
    assert from_one == ("2026-12-03T23:00:00+00:00", "2026-12-04T22:59:59+00:00")
    from_both = await promised(database, await a_cart(database, shop, 12), thursday)
    assert from_both == ("2026-12-03T23:00:00+00:00", "2026-12-09T22:59:59+00:00")


async def test_the_promise_is_kept_by_the_order_and_each_of_its_parts(database: Database, shop: Shop) -> None:
    rate = await make_rate(database, shop, "4.90", min_days=1, max_days=2)
    token = await a_cart(database, shop)
    await flow.select(database, token, option_id(rate))
    assert (await place(database, token))["userErrors"] == []
    (order,) = await flow.run_sql(database, "SELECT delivery, placed_at FROM orders")
    (part,) = await flow.run_sql(database, "SELECT promised_from, promised_until FROM fulfillment_orders")
    told = (
        datetime.fromisoformat(order.delivery["earliest"]),
        datetime.fromisoformat(order.delivery["latest"]),
    )
    assert told == (part.promised_from, part.promised_until)
    assert order.placed_at < told[0] < told[1]


async def test_a_late_order_keeps_what_was_promised_when_it_was_paid_for(
    database: Database, shop: Shop
) -> None:
    rate = await make_rate(database, shop, "4.90", min_days=1, max_days=2)
    token = await a_cart(database, shop)
    await flow.select(database, token, option_id(rate))
    assert (await place(database, token, "timeout"))["order"] is None
    (attempt,) = await flow.run_sql(database, "SELECT placement -> 'delivery' AS delivery FROM payments")
    await flow.run_sql(database, "UPDATE delivery_rates SET min_days = 30, max_days = 40 RETURNING id")
    assert await settle_due(later(database)) == 1
    (order,) = await flow.run_sql(database, "SELECT delivery FROM orders")
    assert order.delivery == attempt.delivery
    assert {"earliest", "latest"} <= order.delivery.keys()
