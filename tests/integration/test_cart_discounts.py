"""Codes, automatic discounts and taxes of carts and of the orders they become, through GraphQL."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from domain.channels import ChannelChanges
from domain.discounts import DiscountKind
from domain.kernel.money import Amount
from domain.taxes import TaxRounding
from persistence.database import Database
from services import channels, discounts, taxes
from services.access import ANONYMOUS
from services.discounts import DiscountChanges
from services.order_placement import place
from services.payment_sweep import settle_due
from tests import cart_flows as flow
from tests.cart_flows import run_sql
from tests.checkouts import Shop as Stocked
from tests.checkouts import later, make_ready_cart, make_stocked_shop, till
from tests.factories import (
    Shop,
    data_of,
    execute,
    give_stock,
    make_context,
    make_discount,
    make_shop,
    make_tax_rate,
    make_variant,
)
from tests.statements import count_statements

ADJUSTMENTS = "adjustments { kind target label code percent amount { amount } }"
TOTALS = f"""totals {{ taxIncluded subtotal {{ amount }} shipping {{ amount }} discount {{ amount }}
    tax {{ amount }} total {{ amount }} {ADJUSTMENTS} }}"""
LINES = f"lines {{ sku total {{ amount }} discount {{ amount }} tax {{ amount }} {ADJUSTMENTS} }}"
CART = f"""query ($token: String!) {{ cart(token: $token) {{ version status {TOTALS}
    {LINES.replace(" sku", " variant { sku }")} discountCodes {{ code name applies reason }} }} }}"""
ORDER = f"query ($ref: OrderRef!) {{ order(ref: $ref) {{ {TOTALS} {LINES} }} }}"
CODE = """mutation ($input: CartDiscountCode%sInput!) { cartDiscountCode%s(input: $input) {
    cart { version totals { discount { amount } total { amount } } discountCodes { code applies reason } }
    userErrors { __typename code message path
                 ... on DiscountNotApplicableError { discountCode reason } } } }"""


ADDRESS = {"name": "A", "line1": "1 St", "city": "London", "postalCode": "SW1A 2AA", "country": "GB"}


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with a hundred units at 10.00 USD."""
    return await make_shop(database, stock=100)


async def priced(database: Database, token: str) -> Any:
    """Read what a cart costs, and why."""
    return (await data_of(database, CART, {"token": token}, ANONYMOUS))["cart"]


async def send(database: Database, verb: str, token: str, code: str, **more: Any) -> Any:
    """Apply a code to a cart, or remove it."""
    given = {"input": {"cartToken": token, "code": code, **more}}
    return (await data_of(database, CODE % (verb, verb), given, ANONYMOUS))[f"cartDiscountCode{verb}"]


def amounts(totals: dict[str, Any]) -> dict[str, str]:
    """Return the amounts of totals by name."""
    return {name: value["amount"] for name, value in totals.items() if isinstance(value, dict)}


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_rates_and_discounts_may_last_from_the_calendars_first_moment_to_its_last(
    database: Database, shop: Shop, zone: str
) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    await make_tax_rate(database, shop.channel, "20", valid_from=first, valid_until=last)
    await make_discount(database, shop.channel, code=None, starts_at=first, ends_at=last)
    token = (await flow.create(database, shop, 1))["cartToken"]
    name = (await run_sql(database, "SELECT current_database() AS name"))[0].name
    await run_sql(database, f"ALTER DATABASE \"{name}\" SET timezone TO '{zone}'")
    await database.engine.dispose()
    try:
        await flow.update(database, token, shippingAddress=ADDRESS)
        totals = amounts((await priced(database, token))["totals"])
    finally:
        await run_sql(database, f'ALTER DATABASE "{name}" RESET timezone')
        await database.engine.dispose()
    assert (totals["discount"], totals["tax"]) == ("1.00", "1.80")
    document = "query ($c: String!) { taxRates(channel: $c) { validFrom validUntil } }"
    [rate] = (await data_of(database, document, {"c": shop.channel.slug}))["taxRates"]
    assert rate == {
        "validFrom": "0001-01-01T00:00:00.000001+00:00",
        "validUntil": "9999-12-31T23:59:59.999998+00:00",
    }


async def test_a_code_takes_off_what_it_says_and_comes_off_again(database: Database, shop: Shop) -> None:
    await make_discount(database, shop.channel, code="Spring10")
    token = (await flow.create(database, shop, 2))["cartToken"]

    with count_statements(database) as sent:
        applied = await send(database, "Apply", token, " sPRING10 ", idempotencyKey="k")
    assert len(sent) <= 7, sent
    again = await send(database, "Apply", token, " sPRING10 ", idempotencyKey="k")

    assert applied == again
    assert applied["userErrors"] == []
    assert applied["cart"]["totals"] == {"discount": {"amount": "2.00"}, "total": {"amount": "18.00"}}
    assert applied["cart"]["discountCodes"] == [{"code": "Spring10", "applies": True, "reason": None}]
    (line,) = (await priced(database, token))["lines"]
    assert line["adjustments"] == [
        {
            "kind": "DISCOUNT",
            "target": "LINE",
            "label": "Discount Spring10",
            "code": "Spring10",
            "percent": "10",
            "amount": {"amount": "2.00"},
        }
    ]
    removed = await send(database, "Remove", token, "SPRING10")
    assert removed["cart"]["totals"]["total"]["amount"] == "20.00"
    assert removed["cart"]["discountCodes"] == []
    kinds = [event.kind for event in await flow.cart_events(database)]
    assert kinds[-2:] == ["CartDiscountCodeApplied", "CartDiscountCodeRemoved"]


async def test_codes_that_do_not_apply_are_refused_with_the_reason(database: Database, shop: Shop) -> None:
    channel = shop.channel
    await make_discount(database, channel, code="BIG", minimum_subtotal=Amount(Decimal("20.01"), "USD"))
    await make_discount(database, channel, code="OTHER", skus=["another"])
    gone = await make_discount(database, channel, code="GONE")
    await discounts.deactivate(make_context(database), gone.id)
    await make_discount(database, channel, code="BETTER", percent=Decimal(50), combinable=False)
    await make_discount(database, channel, code="WORSE")
    await make_discount(database, (await make_shop(database)).channel, code="FOREIGN")
    token = (await flow.create(database, shop, 2))["cartToken"]
    assert (await send(database, "Apply", token, "BETTER"))["userErrors"] == []

    for code, reason in (
        ("BIG", "MINIMUM_NOT_REACHED"),
        ("OTHER", "NO_ELIGIBLE_ITEMS"),
        ("GONE", "NOT_ACTIVE"),
        ("WORSE", "NOT_COMBINABLE"),
    ):
        (error,) = (await send(database, "Apply", token, code))["userErrors"]
        assert (error["__typename"], error["code"]) == (
            "DiscountNotApplicableError",
            "DISCOUNT_NOT_APPLICABLE",
        )
        assert (error["discountCode"], error["reason"], error["path"]) == (code, reason, ["code"])
    for code in ("FOREIGN", "unknown", "", "with space", "ä", "x" * 65, "\ud800"):
        (error,) = (await send(database, "Apply", token, code))["userErrors"]
        assert (error["code"], error["path"]) == ("NOT_FOUND", ["code"])
    (error,) = (await send(database, "Remove", token, "BIG"))["userErrors"]
    assert (error["code"], error["path"]) == ("NOT_FOUND", ["code"])
    assert (await priced(database, token))["version"] == 2


async def test_a_code_that_the_cart_no_longer_fulfils_says_so_and_comes_back(
    database: Database, shop: Shop
) -> None:
    await make_discount(database, shop.channel, code="BIG", minimum_subtotal=Amount(Decimal(20), "USD"))
    created = await flow.create(database, shop, 2)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    await send(database, "Apply", token, "BIG")

    await flow.update_line(database, token, line, 1)
    small = await priced(database, token)
    await flow.update_line(database, token, line, 3)
    big = await priced(database, token)

    assert small["discountCodes"] == [
        {"code": "BIG", "name": "Discount BIG", "applies": False, "reason": "MINIMUM_NOT_REACHED"}
    ]
    assert amounts(small["totals"])["discount"] == "0.00"
    assert amounts(big["totals"])["discount"] == "3.00"


async def test_automatic_discounts_apply_by_themselves_from_the_first_answer_on(
    database: Database, shop: Shop
) -> None:
    await make_discount(
        database, shop.channel, DiscountKind.BUY_X_GET_Y, percent=Decimal(100), buy_quantity=2, get_quantity=1
    )
    created = await flow.create(database, shop, 3)

    assert created["cart"]["totals"]["discount"]["amount"] == "10.00"
    assert await flow.read(database, created["cartToken"]) == created["cart"]
    other = await make_shop(database, stock=5)
    assert (await flow.create(database, other, 3))["cart"]["totals"]["discount"]["amount"] == "0.00"


@pytest.mark.parametrize(
    ("included", "rounding", "tax", "total"),
    [
        (True, TaxRounding.ORDER, "3.85", "27.71"),
        (True, TaxRounding.LINE, "3.86", "27.71"),
        (False, TaxRounding.ORDER, "4.62", "32.33"),
    ],
)
async def test_tax_is_in_the_prices_or_comes_on_top_as_the_channel_says(
    database: Database, shop: Shop, included: bool, rounding: TaxRounding, tax: str, total: str
) -> None:
    book = await make_variant(database, shop.channel, price="5.00", sku="BOOK")
    await give_stock(database, book, shop.location, 5)
    await flow.run_sql(database, "UPDATE variants SET tax_class = 'books' WHERE sku = 'BOOK'")
    await make_tax_rate(database, shop.channel, "20", applies_to_shipping=True)
    await make_tax_rate(database, shop.channel, "0", tax_class="books", name="Zero-rated")
    changes = ChannelChanges(prices_include_tax=included, tax_rounding=rounding)
    await channels.update(make_context(database), shop.channel.id, changes)
    await make_discount(
        database, shop.channel, DiscountKind.FIXED_AMOUNT, "TWO", amount=Amount(Decimal("2.00"), "USD")
    )
    created = await flow.create_lines(database, shop, [(shop.variant.sku, 2), ("BOOK", 1)])
    token = created["cartToken"]
    assert amounts((await priced(database, token))["totals"])["tax"] == "0.00", "not known without an address"
    await flow.update(database, token, shippingAddress=ADDRESS)
    await run_sql(database, "UPDATE delivery_rates SET price_minor = 471")
    options = (await flow.read(database, token))["deliveryOptions"]
    await flow.select(database, token, options[0]["id"])
    await send(database, "Apply", token, "TWO")

    cart = await priced(database, token)

    assert cart["totals"]["taxIncluded"] is included
    assert amounts(cart["totals"]) == {
        "subtotal": "25.00",
        "shipping": "4.71",
        "discount": "2.00",
        "tax": tax,
        "total": total,
    }
    explained = [
        (one["kind"], one["target"], one["label"], one["percent"]) for one in cart["totals"]["adjustments"]
    ]
    assert sorted(explained, key=str) == [
        ("DISCOUNT", "LINE", "Discount TWO", None),
        ("TAX", "LINE", "VAT", "20"),
        ("TAX", "LINE", "Zero-rated", "0"),
        ("TAX", "SHIPPING", "VAT", "20"),
    ]
    paid = [Decimal(one["tax"]["amount"]) for one in cart["lines"]]
    assert paid[1] == 0
    assert sum(Decimal(line["discount"]["amount"]) for line in cart["lines"]) == 2


async def priced_shop(database: Database) -> Stocked:
    """A shop with tax, an automatic discount and free delivery by code."""
    shop = await make_stocked_shop(database, 9)
    await make_tax_rate(database, shop.channel, applies_to_shipping=True)
    await make_discount(database, shop.channel)
    await make_discount(database, shop.channel, DiscountKind.FREE_SHIPPING, "FREE")
    return shop


async def test_an_order_keeps_what_the_cart_said_line_by_line(database: Database) -> None:
    shop = await priced_shop(database)
    token = await make_ready_cart(database, shop, 3)
    await send(database, "Apply", token, "FREE")
    cart = await priced(database, token)

    placed = await place(till(database), token, "sandbox", "ok", "key")
    order = (await data_of(database, ORDER, {"ref": {"token": placed.order_token}}, ANONYMOUS))["order"]

    assert amounts(order["totals"]) == {
        "subtotal": "30.00",
        "shipping": "5.00",
        "discount": "8.00",
        "tax": "5.40",
        "total": "32.40",
    }
    assert order["totals"] == cart["totals"]
    assert [(line["discount"], line["tax"], line["adjustments"]) for line in order["lines"]] == [
        (line["discount"], line["tax"], line["adjustments"]) for line in cart["lines"]
    ]
    assert placed.payment.amount_minor == 3240


async def test_what_changes_while_the_answer_is_awaited_changes_no_price(database: Database) -> None:
    shop = await priced_shop(database)
    token = await make_ready_cart(database, shop, 3)
    before = await priced(database, token)
    await place(till(database), token, "sandbox", "timeout", "key")
    context = make_context(database)
    for rate in (await taxes.list_rates(context, shop.channel.slug, None))[1]:
        await taxes.delete_rate(context, rate.id)
    for one in await discounts.page(context, 10, None):
        await discounts.update(context, one.discount.id, DiscountChanges(name="Renamed", active=False))
    await channels.update(context, shop.channel.id, ChannelChanges(prices_include_tax=True))

    assert await settle_due(later(database)) == 1

    placed = await place(till(database), token, "sandbox", "timeout", "key")
    order = (await data_of(database, ORDER, {"ref": {"token": placed.order_token}}, ANONYMOUS))["order"]
    assert order["totals"] == before["totals"]


async def test_a_whole_discount_leaves_nothing_to_pay(database: Database) -> None:
    shop = await make_stocked_shop(database, 3)
    await make_discount(database, shop.channel, percent=Decimal(100))
    await make_discount(database, shop.channel, DiscountKind.FREE_SHIPPING)
    token = await make_ready_cart(database, shop, 2)

    placed = await place(till(database), token, "sandbox", "ok", "key")

    assert placed.order is not None
    assert (placed.order.total_minor, placed.order.totals.discount_minor) == (0, 2500)


async def test_the_payload_of_an_order_needs_no_statement_for_its_explanation(database: Database) -> None:
    shop = await priced_shop(database)
    providers = {"payment_providers": till(database).environment.payment_providers}
    taken = []
    for fields in ("totals { total { amount } }", f"{TOTALS} {LINES}"):
        document = f"""mutation ($input: OrderPlaceInput!) {{ orderPlace(input: $input) {{
            order {{ {fields} }} userErrors {{ code }} }} }}"""
        given = {
            "cartToken": await make_ready_cart(database, shop, 1),
            "payment": {"provider": "sandbox", "method": "ok"},
            "idempotencyKey": str(uuid4()),
        }
        with count_statements(database) as sent:
            result = await execute(database, document, {"input": given}, ANONYMOUS, **providers)
        assert result.errors is None
        assert result.data is not None
        assert result.data["orderPlace"]["userErrors"] == []
        taken.append(len(sent))
    assert taken == [12, 12]


async def test_a_cart_takes_ten_codes_at_most(database: Database, shop: Shop) -> None:
    token = (await flow.create(database, shop, 1))["cartToken"]
    for number in range(11):
        await make_discount(database, shop.channel, code=f"C{number}", percent=Decimal(1))
    answers = [await send(database, "Apply", token, f"C{number}") for number in range(11)]

    assert [error["path"] for answer in answers for error in answer["userErrors"]] == [["code"]]
    assert answers[-1]["userErrors"][0]["code"] == "INVALID_INPUT"
