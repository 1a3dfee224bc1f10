"""Delivery options from carriers: asked at once, kept with the cart, chosen, frozen and kept by the order."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import create_async_engine

from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from providers.carriers.sandbox_desk import CarrierDesk
from providers.payments.sandbox import SandboxPayments
from services.access import ANONYMOUS
from tests import cart_flows as flow
from tests import drafts
from tests.checkouts import LaterClock
from tests.checkouts import Shop as Stocked
from tests.delivery import BRITISH, GERMAN, amount, make_box, make_rate, offer_service, prices
from tests.factories import Shop, data_of, make_shop
from tests.statements import count_statements

SENDER = '{"name": "Shop", "line1": "Lager 1", "city": "Berlin", "country": "DE", "postal_code": "10115"}'
REFRESH = f"""mutation ($input: CartDeliveryOptionsRefreshInput!) {{
    cartDeliveryOptionsRefresh(input: $input) {{
        cart {flow.CART} complete
        userErrors {{ __typename path ... on CartIncompleteError {{ missing }} }} }} }}"""
PLACE = """mutation ($input: OrderPlaceInput!) { orderPlace(input: $input) {
    order { id delivery { carrier service price { amount } earliest latest }
            totals { shipping { amount } total { amount } } }
    userErrors { code ... on CartIncompleteError { missing } } } }"""


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop in Berlin that delivers for nothing, and offers two services of the sandbox carrier."""
    made = await make_shop(database, stock=100)
    await flow.run_sql(
        database, "UPDATE locations SET address = CAST(:address AS jsonb) RETURNING id", address=SENDER
    )
    await offer_service(
        database, made, "EXPRESS", markup_percent=Decimal(10), markup=amount(made, "0.50"), position=1
    )
    await offer_service(database, made, "ECONOMY", name="Slow boat", position=2)
    return made


async def a_cart(database: Database, shop: Shop, address: Mapping[str, str] = GERMAN) -> str:
    """Create a cart of one unit that goes to an address; returns its token."""
    token: str = (await flow.create(database, shop, 1))["cartToken"]
    await flow.update(database, token, shippingAddress=address, email="ada@example.org")
    return token


async def refresh(database: Database, token: str, **environment: Any) -> dict[str, Any]:
    """Ask the sandbox carrier, or those that the environment has."""
    environment.setdefault("carriers", {"sandbox": SandboxCarrier(database.engine)})
    data = await data_of(database, REFRESH, {"input": {"cartToken": token}}, ANONYMOUS, **environment)
    return dict(data["cartDeliveryOptionsRefresh"])


async def place(database: Database, token: str, method: str = "ok", **environment: Any) -> dict[str, Any]:
    """Order a cart through the sandbox payments."""
    given = {
        "cartToken": token,
        "payment": {"provider": "sandbox", "method": method},
        "idempotencyKey": str(uuid4()),
    }
    providers = {"sandbox": SandboxPayments(database.engine)}
    data = await data_of(
        database, PLACE, {"input": given}, ANONYMOUS, payment_providers=providers, **environment
    )
    return dict(data["orderPlace"])


def services(cart: dict[str, Any]) -> dict[str, str]:
    """Return the prices of a cart's options by service."""
    return {one["service"]: one["price"]["amount"] for one in cart["deliveryOptions"]}


def option(cart: dict[str, Any], service: str) -> str:
    """Return the id of an option."""
    return next(str(one["id"]) for one in cart["deliveryOptions"] if one["service"] == service)


@asynccontextmanager
async def silent_carrier() -> AsyncIterator[SandboxCarrier]:
    """Yield a carrier whose machine takes the call, and never says a word."""
    quiet = asyncio.Event()

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await quiet.wait()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    engine = create_async_engine(f"postgresql+asyncpg://nobody:x@127.0.0.1:{port}/none?ssl=disable")
    try:
        yield SandboxCarrier(engine)
    finally:
        quiet.set()
        server.close()
        await engine.dispose()


async def test_carriers_are_asked_for_what_the_channel_offers_at_its_mark_up(
    database: Database, shop: Shop
) -> None:
    token = await a_cart(database, shop)
    assert services(await flow.read(database, token)) == {"Standard": "0.00"}
    answer = await refresh(database, token)
    assert (answer["complete"], answer["userErrors"]) == (True, [])
    # EXPRESS is 9.00 and twice 0.60 for the kilogram assumed, plus 10 % and 0.50.
    expected = {"Standard": "0.00", "Express": "11.72", "Slow boat": "2.80"}
    assert services(answer["cart"]) == expected
    assert services(await flow.read(database, token)) == expected


async def test_what_is_kept_is_not_asked_for_again(database: Database, shop: Shop) -> None:
    token = await a_cart(database, shop)
    kept = (await refresh(database, token))["cart"]
    await CarrierDesk(database.engine).set_faults(down_for_seconds=600)
    with count_statements(database) as sent:
        again = await refresh(database, token)
    assert (again["cart"], again["complete"]) == (kept, True)
    assert len(sent) == 3, sent


async def test_asking_takes_few_statements_and_no_carrier_is_asked_inside_a_transaction(
    database: Database, shop: Shop
) -> None:
    token = await a_cart(database, shop)
    carrier = SandboxCarrier(database.engine)
    await carrier.track(None, "warm")
    with count_statements(database) as sent:
        await refresh(database, token, carriers={"sandbox": carrier})
    ours = [one for one in sent if "sandbox" not in one]
    # The cart, the services, the sender; then BEGIN, the cart locked, its quotes, its events, COMMIT.
    assert len(ours) <= 8, ours
    begun = next(number for number, one in enumerate(sent) if one.startswith("BEGIN"))
    assert all("sandbox" not in one for one in sent[begun:])


async def test_a_channel_without_services_asks_nobody(database: Database) -> None:
    shop = await make_shop(database, stock=5)
    token = await a_cart(database, shop)
    with count_statements(database) as sent:
        answer = await refresh(database, token, carriers={})
    assert (answer["complete"], services(answer["cart"])) == (True, {"Standard": "0.00"})
    assert len(sent) == 2, sent


async def test_a_carrier_that_hangs_is_left_out_in_time_and_named_to_staff(
    database: Database, shop: Shop
) -> None:
    await offer_service(database, shop, "EXPRESS", "silent")
    token = await a_cart(database, shop)
    labels = {"provider": "silent", "reason": "too slow"}
    before = REGISTRY.get_sample_value("ordertide_carrier_quotes_left_out_total", labels) or 0
    async with silent_carrier() as silent:
        carriers = {"sandbox": SandboxCarrier(database.engine), "silent": silent}
        begun = time.monotonic()
        answer = await refresh(database, token, carriers=carriers, carrier_quote_seconds=0.5)
        took = time.monotonic() - begun
    assert answer["complete"] is False
    assert services(answer["cart"]).keys() == {"Standard", "Express", "Slow boat"}
    assert took < 5
    assert REGISTRY.get_sample_value("ordertide_carrier_quotes_left_out_total", labels) == before + 1


async def test_while_a_carrier_is_down_the_others_are_ordered_by_and_it_is_asked_again(
    database: Database, shop: Shop
) -> None:
    token = await a_cart(database, shop)
    desk = CarrierDesk(database.engine)
    await desk.set_faults(down_for_seconds=60)
    down = await refresh(database, token)
    assert (down["complete"], services(down["cart"])) == (False, {"Standard": "0.00"})
    other = await a_cart(database, shop)
    await flow.select(database, other, option(await flow.read(database, other), "Standard"))
    assert (await place(database, other))["userErrors"] == []
    await desk.set_faults(down_for_seconds=0)
    assert (await refresh(database, token))["complete"] is True


async def test_a_carrier_whose_answer_breaks_us_is_left_out_and_the_others_are_offered(
    database: Database, shop: Shop
) -> None:
    class Nonsense(SandboxCarrier):
        async def rates(self, request: Any) -> Any:
            raise KeyError("rate")

    await offer_service(database, shop, "EXPRESS", "nonsense")
    carriers = {"sandbox": SandboxCarrier(database.engine), "nonsense": Nonsense(database.engine)}
    answer = await refresh(database, await a_cart(database, shop), carriers=carriers)
    assert answer["complete"] is False
    assert services(answer["cart"]).keys() == {"Standard", "Express", "Slow boat"}


async def test_a_carrier_that_is_not_set_up_any_more_is_left_out(database: Database, shop: Shop) -> None:
    token = await a_cart(database, shop)
    answer = await refresh(database, token, carriers={})
    assert (answer["complete"], services(answer["cart"])) == (False, {"Standard": "0.00"})


async def test_a_shop_without_an_address_asks_nobody(database: Database, shop: Shop) -> None:
    await flow.run_sql(database, "UPDATE locations SET address = NULL RETURNING id")
    answer = await refresh(database, await a_cart(database, shop))
    assert (answer["complete"], services(answer["cart"])) == (False, {"Standard": "0.00"})


async def test_a_cart_without_lines_or_address_cannot_be_quoted(database: Database, shop: Shop) -> None:
    token = (await flow.create(database, shop))["cartToken"]
    (error,) = (await refresh(database, token))["userErrors"]
    assert (error["__typename"], error["missing"]) == ("CartIncompleteError", ["lines", "shippingAddress"])
    (error,) = (await refresh(database, "nonsense"))["userErrors"]
    assert (error["__typename"], error["path"]) == ("NotFoundError", ["cartToken"])


async def test_quotes_do_not_hold_for_other_goods_or_another_place(database: Database, shop: Shop) -> None:
    token = await a_cart(database, shop)
    chosen = option((await refresh(database, token))["cart"], "Express")
    await flow.select(database, token, chosen)
    moved = (await flow.update(database, token, shippingAddress=BRITISH))["cart"]
    assert (services(moved), moved["deliveryOption"]) == ({"Standard": "0.00"}, None)
    abroad = services((await refresh(database, token))["cart"])
    assert abroad["Slow boat"] == "14.00"
    line = moved["lines"][0]["id"]
    assert services((await flow.update_line(database, token, line, 2))["cart"]) == {"Standard": "0.00"}


async def test_a_quote_is_chosen_like_a_rate_and_kept_by_the_order(database: Database, shop: Shop) -> None:
    token = await a_cart(database, shop)
    chosen = option((await refresh(database, token))["cart"], "Express")
    cart = (await flow.select(database, token, chosen))["cart"]
    assert (cart["deliveryOption"]["id"], cart["totals"]["total"]["amount"]) == (chosen, "21.72")
    again = option((await refresh(database, token, clock=LaterClock(1)))["cart"], "Express")
    assert again == chosen
    with count_statements(database) as sent:
        placed = await place(database, token)
    assert placed["userErrors"] == []
    assert placed["order"]["totals"]["shipping"]["amount"] == "11.72"
    assert len(sent) <= 15, sent
    delivery = placed["order"]["delivery"]
    assert (delivery["service"], delivery["price"]["amount"]) == ("Express", "11.72")
    assert delivery["earliest"] < delivery["latest"]
    (row,) = await flow.run_sql(database, "SELECT delivery FROM orders")
    assert row.delivery | {"earliest": 0, "latest": 0, "rateId": 0} == {
        "rateId": 0,
        "carrier": "Sandbox Post",
        "service": "Express",
        "priceMinor": 1172,
        "provider": "sandbox",
        "code": "EXPRESS",
        "maxDays": 1,
        "handlingDays": 0,
        "earliest": 0,
        "latest": 0,
    }


async def test_a_quote_chosen_for_an_offer_of_the_shop_survives_a_change_by_staff(
    database: Database, shop: Shop
) -> None:
    lines = [{"variant": {"sku": shop.variant.sku}, "quantity": 1}]
    made = await drafts.create(
        database, Stocked(shop.channel, shop.variant, [shop.location]), lines, shippingAddress=GERMAN
    )
    token = made["cartToken"]
    chosen = option((await refresh(database, token))["cart"], "Express")
    assert (await flow.select(database, token, chosen))["userErrors"] == []
    draft = await drafts.read(database, made["order"])
    dearer = await drafts.update(database, draft, shippingPrice={"amount": "20.00", "currency": "USD"})
    assert dearer["userErrors"] == []
    cart = await flow.read(database, token)
    assert cart["deliveryOption"] == {"id": chosen, "price": {"amount": "20.00"}}
    assert dearer["order"]["totals"]["shipping"]["amount"] == "20.00"


async def test_an_option_of_another_cart_cannot_be_chosen(database: Database, shop: Shop) -> None:
    theirs = option((await refresh(database, await a_cart(database, shop)))["cart"], "Express")
    answer = await flow.select(database, await a_cart(database, shop), theirs)
    assert [error["path"] for error in answer["userErrors"]] == [["deliveryOptionId"]]


async def test_a_quote_that_has_run_out_cannot_be_ordered(database: Database, shop: Shop) -> None:
    token = await a_cart(database, shop)
    await flow.select(database, token, option((await refresh(database, token))["cart"], "Express"))
    late = await place(database, token, clock=LaterClock(1))
    assert late["order"] is None
    assert [(error["code"], error["missing"]) for error in late["userErrors"]] == [
        ("CART_INCOMPLETE", ["deliveryOption"])
    ]
    await refresh(database, token, clock=LaterClock(1))
    assert (await place(database, token, clock=LaterClock(1)))["userErrors"] == []


async def test_a_cart_that_changes_while_carriers_think_keeps_nothing(database: Database, shop: Shop) -> None:
    token = await a_cart(database, shop)

    class Interrupted(SandboxCarrier):
        async def rates(self, request: Any) -> Any:
            await flow.add(database, token, shop.variant.sku, 1)
            return await super().rates(request)

    answer = await refresh(database, token, carriers={"sandbox": Interrupted(database.engine)})
    assert [error["__typename"] for error in answer["userErrors"]] == ["VersionConflictError"]
    assert services(await flow.read(database, token)) == {"Standard": "0.00"}


async def test_carriers_are_asked_about_the_packed_parcels(database: Database, shop: Shop) -> None:
    await make_box(database, 500, 400, 300, own=400)
    token = await a_cart(database, shop)
    # A box of 60 l counts as 12 kg.
    assert services((await refresh(database, token))["cart"])["Slow boat"] == "6.10"


async def test_rates_of_the_table_stand_before_quotes(database: Database, shop: Shop) -> None:
    await make_rate(database, shop, "4.90", countries=["DE"], position=7)
    answer = await refresh(database, await a_cart(database, shop))
    assert prices(answer["cart"]) == ["0.00", "4.90", "11.72", "2.80"]


async def test_quotes_in_yen_have_no_decimals(database: Database) -> None:
    shop = await make_shop(database, stock=5, price="1000", currency="JPY")
    await flow.run_sql(
        database, "UPDATE locations SET address = CAST(:address AS jsonb) RETURNING id", address=SENDER
    )
    await offer_service(database, shop, "EXPRESS", markup_percent=Decimal(10))
    answer = await refresh(database, await a_cart(database, shop))
    assert services(answer["cart"]) == {"Standard": "0", "Express": "1122"}


async def test_old_quotes_of_other_carts_are_cleared_away(database: Database, shop: Shop) -> None:
    await refresh(database, await a_cart(database, shop))
    await refresh(database, await a_cart(database, shop), clock=LaterClock(48))
    kept = await flow.run_sql(database, "SELECT cart_id FROM delivery_quotes")
    assert len({UUID(str(row.cart_id)) for row in kept}) == 1
