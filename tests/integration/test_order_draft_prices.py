"""What staff ask in a draft: exact to the last unit of the currency, and nobody else's to say."""

from typing import Any

import pytest

from persistence.database import Database
from providers.payments.sandbox import charges
from tests import cart_flows as flow
from tests import drafts
from tests.checkouts import Shop, make_stocked_shop
from tests.factories import data_of, give_stock, make_channel, make_location, make_variant


async def make_shop_in(database: Database, currency: str, price: str) -> Shop:
    """Create a shop that sells in a currency."""
    location = await make_location(database)
    channel = await make_channel(database, currency=currency, location_codes=[location.code])
    variant = await make_variant(database, channel, price=price)
    await give_stock(database, variant, location, 99)
    return Shop(channel, variant, [location])


async def reprice(database: Database, shop: Shop, amount_minor: int) -> None:
    """Change what the channel asks for the variant."""
    await flow.run_sql(
        database,
        "UPDATE prices SET amount_minor = :price WHERE variant_id = :id",
        price=amount_minor,
        id=shop.variant.id,
    )


def unit_prices(payload: Any) -> list[str]:
    assert payload["userErrors"] == [], payload
    return [line["unitPrice"]["amount"] for line in payload["order"]["lines"]]


@pytest.mark.parametrize(
    ("currency", "listed", "asked", "shipping", "total"),
    [
        ("USD", "10", "9.99", "4.95", "34.92"),
        ("JPY", "1000", "999", "1", "2998"),
        ("KWD", "10", "0.001", "0.999", "1.002"),
        ("USD", "10", "0", "0.00", "0.00"),
    ],
)
async def test_own_prices_are_exact_and_paid_as_they_are(
    database: Database, currency: str, listed: str, asked: str, shipping: str, total: str
) -> None:
    shop = await make_shop_in(database, currency, listed)
    made = await drafts.create(
        database,
        shop,
        [drafts.line(shop, 3, asked, currency)],
        email="ada@example.com",
        shippingAddress=drafts.GB,
        deliveryOptionId=await drafts.standard_option(database, shop),
        shippingPrice={"amount": shipping, "currency": currency},
    )
    assert made["order"]["totals"]["total"] == {"amount": total, "currency": currency}
    cart = await flow.read(database, made["cartToken"])
    assert cart["totals"]["total"] == {"amount": total, "currency": currency}
    assert cart["deliveryOption"]["price"] == {"amount": cart["totals"]["shipping"]["amount"]}
    assert cart["deliveryOptions"][0]["price"]["amount"] == cart["deliveryOption"]["price"]["amount"]
    paid = await drafts.pay(database, made["cartToken"])
    assert paid["order"]["totals"] == made["order"]["totals"]
    minor = int(total.replace(".", ""))
    told = [(charge.amount_minor, charge.currency) for charge in await charges(database.engine)]
    assert told == ([(minor, currency)] if minor else []), "nobody is asked for nothing"


async def test_a_staff_price_survives_a_change_of_quantity_and_of_the_catalogue(database: Database) -> None:
    shop = await make_stocked_shop(database, 99)
    own = (await drafts.ready(database, shop, 2, price="7.50"))["order"]
    listed = (await drafts.ready(database, shop, 2))["order"]
    await reprice(database, shop, 1200)
    more = await drafts.update(database, own, lines=[drafts.line(shop, 5)])
    assert unit_prices(more) == ["7.50"]
    assert unit_prices(await drafts.update(database, listed, note="untouched")) == ["10.00"]
    listed_now = await drafts.read(database, listed)
    assert unit_prices(await drafts.update(database, listed_now, lines=[drafts.line(shop, 3)])) == ["12.00"]
    back = {**drafts.line(shop, 5), "unitPrice": None}
    assert unit_prices(await drafts.update(database, more["order"], lines=[back])) == ["12.00"]
    await reprice(database, shop, 1300)
    final = await drafts.update(database, await drafts.read(database, own), lines=[drafts.line(shop, 6)])
    assert unit_prices(final) == ["13.00"], "a price given back is the channel's again"


async def test_a_placed_draft_costs_what_was_offered_whatever_became_of_the_price(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    listed, own = await drafts.ready(database, shop, 2), await drafts.ready(database, shop, 2, "7.50")
    await reprice(database, shop, 9900)
    for draft, total in ((listed, "20.00"), (own, "15.00")):
        placed = await drafts.place(database, draft["order"])
        assert placed["order"]["totals"]["total"]["amount"] == total


async def test_a_price_of_delivery_belongs_to_the_option_it_was_made_for(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2, shippingPrice={"amount": "3.00", "currency": "USD"})
    document = """mutation ($input: DeliveryRateCreateInput!) {
        deliveryRateCreate(input: $input) { deliveryRate { id } userErrors { message } } }"""
    given = {"channel": shop.channel.slug, "carrier": "Fast", "service": "Express"}
    price = {"price": {"amount": "25.00", "currency": "USD"}}
    await data_of(database, document, {"input": {**given, **price}})
    token = made["cartToken"]
    fast, standard = sorted(
        (await flow.read(database, token))["deliveryOptions"], key=lambda option: option["carrier"]
    )
    assert (fast["price"]["amount"], standard["price"]["amount"]) == ("25.00", "3.00")
    await flow.select(database, token, standard["id"])
    assert (await flow.read(database, token))["totals"]["shipping"]["amount"] == "3.00"
    dearer = await flow.select(database, token, fast["id"])
    assert dearer["cart"]["totals"]["shipping"]["amount"] == "25.00", "express for the price of standard: no"
    shown = await drafts.read(database, made["order"])
    assert shown["totals"]["total"]["amount"] == "45.00"
    again = await flow.select(database, token, standard["id"])
    assert again["cart"]["totals"]["shipping"]["amount"] == "0.00", "a price given up does not come back"
    shown = await drafts.read(database, made["order"])
    own = await drafts.update(database, shown, shippingPrice={"amount": "1.25", "currency": "USD"})
    assert own["order"]["totals"]["shipping"]["amount"] == "1.25"
    none = await drafts.update(database, own["order"], shippingPrice=None)
    assert none["order"]["totals"]["shipping"]["amount"] == "0.00"


@pytest.mark.parametrize(
    ("amount", "currency", "wrong"),
    [
        ("7.50", "EUR", "currency"),
        ("7.50", "usd", "currency"),
        ("-0.01", "USD", "amount"),
        ("7.505", "USD", "amount"),
        ("10000000000000.01", "USD", "amount"),
        ("1E+999999", "USD", "amount"),
        ("NaN", "USD", "amount"),
    ],
)
async def test_amounts_that_cannot_be_are_refused_by_name(
    database: Database, amount: str, currency: str, wrong: str
) -> None:
    shop = await make_stocked_shop(database, 9)
    draft = (await drafts.ready(database, shop, 1, price="7.50"))["order"]
    line = drafts.line(shop, 1, amount, currency)
    for refused in (
        await drafts.create(database, shop, [line]),
        await drafts.update(database, draft, lines=[line]),
    ):
        [error] = refused["userErrors"]
        assert (error["code"], error["path"]) == ("INVALID_INPUT", ["lines", "0", "unitPrice", wrong])
    refused = await drafts.update(database, draft, shippingPrice={"amount": amount, "currency": currency})
    [error] = refused["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["shippingPrice", wrong])
    assert await drafts.read(database, draft) == draft


async def test_a_total_beyond_all_measure_and_a_price_for_no_delivery_are_refused(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    huge = drafts.line(shop, 100_000, "10000000000000.00")
    [error] = (await drafts.create(database, shop, [huge]))["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["lines"])
    price = {"amount": "3.00", "currency": "USD"}
    [error] = (await drafts.create(database, shop, [drafts.line(shop, 1)], shippingPrice=price))["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["shippingPrice"])
