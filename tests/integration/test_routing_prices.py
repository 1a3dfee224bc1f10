"""Scarce stock has a price, learned from orders: today's order leaves what tomorrow's will need."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import text

from domain.addresses import Address
from persistence.database import Database
from services import routing_prices
from services.access import SYSTEM
from services.order_placement import place
from services.payment_attempts import Placed
from services.routing_prices import Learned, last_at
from tests.cart_flows import run_sql
from tests.checkouts import ADDRESS, LaterClock, Shop, make_ready_cart, till
from tests.commands import ordertide
from tests.factories import execute
from tests.integration.test_routing import configured, decision_of, sent
from tests.statements import count_statements

IRELAND = Address("Ada", "1 Main St", "Dublin", "IE")
_UPDATE = """mutation ($input: ChannelRoutingUpdateInput!) { channelRoutingUpdate(input: $input) {
    routing { stockPrices } userErrors { message } } }"""
_PREVIEW = """query ($input: RoutingPreviewInput!) { routingPreview(input: $input) {
    cost { amount } stockPrice { amount } bound { amount }
    alternatives { used units { quantity stockPrice } } } }"""


async def sell(database: Database, shop: Shop, address: Address = ADDRESS) -> Placed:
    token = await make_ready_cart(database, shop, 1, address=address)
    return await place(till(database), token, "sandbox", "ok", str(uuid4()))


async def sold_to_both(database: Database) -> Shop:
    """Make a shop whose cheaper location alone serves Ireland, after orders from there and from Britain."""
    shop = await configured(database, 10, 20, parcel=(100, 150))
    await run_sql(
        database,
        "UPDATE channel_location_routing SET countries = '{GB}' WHERE location_id = :id",
        id=shop.locations[1].id,
    )
    for _ in range(3):
        assert sent(await sell(database, shop), shop) == [1, 0]
        assert sent(await sell(database, shop, IRELAND), shop) == [1, 0]
    return shop


async def charge(database: Database, shop: Shop) -> None:
    answer = await execute(database, _UPDATE, {"input": {"channel": shop.channel.slug, "stockPrices": True}})
    assert answer.data == {"channelRoutingUpdate": {"routing": {"stockPrices": True}, "userErrors": []}}, (
        answer
    )


async def prices(database: Database, shop: Shop) -> dict[int, float]:
    async with database.read() as connection:
        found = await connection.execute(text("SELECT location_id, price_minor FROM stock_prices"))
        by_id = {row.location_id: row.price_minor for row in found}
    return {rank: by_id[where.id] for rank, where in enumerate(shop.locations) if where.id in by_id}


async def test_an_order_leaves_scarce_stock_to_those_who_can_be_served_from_nowhere_else(
    database: Database,
) -> None:
    shop = await sold_to_both(database)
    done = await routing_prices.learn_now(till(database, SYSTEM), shop.channel.slug)
    learned = await prices(database, shop)
    assert list(learned) == [0], "there is enough of it at the other location"
    assert learned[0] > 50
    assert done == Learned(1, 1)
    assert sent(await sell(database, shop), shop) == [1, 0], "nothing is charged until the channel says so"

    await charge(database, shop)
    british = await decision_of(database, placed := await sell(database, shop))
    assert sent(placed, shop) == [0, 1]
    assert (british.cost, british.price, british.proven) == (150, 0, True)
    irish = await decision_of(database, placed := await sell(database, shop, IRELAND))
    assert sent(placed, shop) == [1, 0]
    assert (irish.cost, irish.price) == (100, learned[0])
    assert (irish.recomputed_cost, irish.recomputed_price) == (irish.cost, irish.price)

    given = {
        "channel": shop.channel.slug,
        "lines": [{"variant": {"sku": shop.variant.sku}, "quantity": 1}],
        "address": {"name": "Ada", "line1": "1 Main St", "city": "Dublin", "country": "IE"},
    }
    answer = await execute(database, _PREVIEW, {"input": given})
    assert answer.data is not None, answer
    shown = answer.data["routingPreview"]
    assert shown["stockPrice"]["amount"] == f"{round(learned[0]) / 100:.2f}"
    assert shown["cost"]["amount"] == "1.00"
    used = next(one for one in shown["alternatives"] if one["used"])
    assert float(used["units"][0]["stockPrice"]) == round(learned[0], 4)


async def test_prices_that_nobody_has_learned_for_a_week_are_not_charged(database: Database) -> None:
    shop = await sold_to_both(database)
    await charge(database, shop)
    await routing_prices.learn_now(till(database, SYSTEM), shop.channel.slug)
    await run_sql(database, "UPDATE stock_prices SET learned_at = now() - interval '8 days'")
    assert sent(await sell(database, shop), shop) == [1, 0]


async def test_prices_are_learned_once_a_night_in_three_short_transactions(database: Database) -> None:
    shop = await sold_to_both(database)
    assert await routing_prices.learn_due(till(database, SYSTEM)) == 0, "the channel does not charge them"
    await charge(database, shop)
    with count_statements(database) as statements:
        assert await routing_prices.learn_due(till(database, SYSTEM)) == 1
    assert len(statements) == 8 + 3 * len(["BEGIN", "COMMIT"]), statements
    first = await prices(database, shop)
    assert await routing_prices.learn_due(till(database, SYSTEM)) == 0
    assert await routing_prices.learn_due(till(database, SYSTEM, clock=LaterClock(24))) == 1
    assert await prices(database, shop) != first, "the second night goes on from the first"


async def test_what_is_no_longer_scarce_has_no_price_the_next_night(database: Database) -> None:
    shop = await sold_to_both(database)
    await routing_prices.learn_now(till(database, SYSTEM), shop.channel.slug)
    assert await prices(database, shop)
    days_on = till(database, SYSTEM, clock=LaterClock(31 * 24))
    assert await routing_prices.learn_now(days_on, shop.channel.slug) == Learned(0, 0)
    assert await prices(database, shop) == {}, "nobody has bought it since"


async def test_a_run_that_was_broken_off_goes_on_behind_what_it_had_done(database: Database) -> None:
    shop = await sold_to_both(database)
    await run_sql(
        database,
        "INSERT INTO stock_price_runs (channel_id, started_at, after_id, variants)"
        " VALUES (:channel, now() - interval '1 hour', :variant, 1)",
        channel=shop.channel.id,
        variant=shop.variant.id,
    )
    assert await routing_prices.learn_now(till(database, SYSTEM), shop.channel.slug) == Learned(1, 0)
    assert await routing_prices.learn_now(till(database, SYSTEM), shop.channel.slug) == Learned(1, 1)


async def test_the_command_line_learns_prices_and_names_a_channel_it_does_not_know(
    database: Database, database_url: str
) -> None:
    shop = await sold_to_both(database)
    done = await ordertide(database_url, "routing", "learn", shop.channel.slug)
    assert (done.returncode, done.stdout) == (0, "looked at 1 variants, found 1 prices\n"), done.stderr
    unknown = await ordertide(database_url, "routing", "learn", "nowhere")
    assert (unknown.returncode, unknown.stderr) == (2, "ordertide: channel: no channel has this slug\n")


def test_the_last_time_it_was_an_hour_may_be_of_yesterday() -> None:
    noon = datetime(2031, 5, 4, 12, tzinfo=UTC)
    assert last_at(3, noon) == noon.replace(hour=3)
    assert last_at(12, noon) == noon
    assert last_at(13, noon) == noon.replace(hour=13) - timedelta(days=1)
