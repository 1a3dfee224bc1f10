"""Taxes that a company's own tax service computes, asked over real HTTP, up to the order and its edits."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.ports import TaxUnavailable
from domain.tax_quotes import TaxRequest
from domain.taxes import TaxSource
from persistence.database import Database
from providers.tax.http_service import HttpTaxService
from services.access import ANONYMOUS
from services.payment_sweep import settle_due
from tests import cart_flows as flow
from tests import drafts
from tests.cart_flows import run_sql
from tests.checkouts import ADDRESS, Shop, later, make_ready_cart, make_stocked_shop, till
from tests.credit_server import SECRET
from tests.factories import data_of, make_discount
from tests.statements import count_statements
from tests.tax_server import TaxSystem, tax_system
from tests.taxed import TOTALS, assert_unavailable, calculate, take_taxes_from

CART = f"query ($token: String!) {{ cart(token: $token) {{ version {TOTALS} }} }}"
ORDER = f"query ($ref: OrderRef!) {{ order(ref: $ref) {{ {TOTALS} }} }}"
PLACE = f"""mutation ($input: OrderPlaceInput!) {{ orderPlace(input: $input) {{
    order {{ {TOTALS} }} orderToken
    userErrors {{ code path ... on CartIncompleteError {{ missing }} }} }} }}"""
PREVIEW = """mutation ($input: OrderEditPreviewInput!) { orderEditPreview(input: $input) {
    edit { after { tax { amount } total { amount } } } userErrors { __typename code message path } } }"""
NO_TAX = [{"code": "CART_INCOMPLETE", "path": ["cartToken"], "missing": ["tax"]}]


@pytest.fixture
async def system() -> AsyncIterator[TaxSystem]:
    async with tax_system() as system:
        yield system


@pytest.fixture
async def service(system: TaxSystem) -> AsyncIterator[HttpTaxService]:
    async with HttpTaxService(system.url, SECRET, time_limit_seconds=5) as service:
        yield service


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with thirty units at 10.00 USD, whose taxes come from the service."""
    shop = await make_stocked_shop(database, 30)
    await take_taxes_from(database, shop, TaxSource.SERVICE)
    return shop


async def place(database: Database, token: str, method: str = "ok") -> dict[str, Any]:
    """Place the order of a cart, with no tax service anywhere; returns the payload."""
    given = {"cartToken": token, "payment": {"provider": "sandbox", "method": method}}
    providers = till(database).environment.payment_providers
    document = {"input": {**given, "idempotencyKey": str(uuid4())}}
    data = await data_of(database, PLACE, document, ANONYMOUS, payment_providers=providers)
    return dict(data["orderPlace"])


async def cart_of(database: Database, token: str) -> dict[str, Any]:
    """Return what a cart costs."""
    return dict((await data_of(database, CART, {"token": token}, ANONYMOUS))["cart"])


async def test_the_service_is_asked_and_its_tax_is_paid_and_frozen_with_the_order(
    database: Database, shop: Shop, system: TaxSystem, service: HttpTaxService
) -> None:
    token = await make_ready_cart(database, shop, 2)
    before = await cart_of(database, token)
    assert (before["totals"]["taxPending"], before["totals"]["total"]["amount"]) == (True, "25.00")

    answered = await calculate(database, token, service)

    assert answered["userErrors"] == []
    assert answered["cart"]["version"] == before["version"] + 1
    totals = answered["cart"]["totals"]
    tax = {"kind": "TAX", "label": "State tax", "percent": "10"}
    assert totals == {
        "taxPending": False,
        "discount": {"amount": "0.00"},
        "tax": {"amount": "2.50"},
        "total": {"amount": "27.50"},
        "adjustments": [
            {**tax, "target": "LINE", "amount": {"amount": "2.00"}},
            {**tax, "target": "SHIPPING", "amount": {"amount": "0.50"}},
        ],
    }
    assert await cart_of(database, token) == answered["cart"]
    [asked] = system.asked
    [line] = asked.pop("lines")
    assert line.pop("id")
    assert line == {"sku": shop.variant.sku, "taxClass": "standard", "quantity": 2, "amount": "20.00"}
    assert asked == {
        "authorization": f"bearer {SECRET}",
        "currency": "USD",
        "pricesIncludeTax": False,
        "shipTo": {
            "line1": ADDRESS.line1,
            "line2": None,
            "city": "London",
            "region": None,
            "postalCode": "SW1Y 4LE",
            "country": "GB",
        },
        "shipping": {"amount": "5.00"},
    }, "nothing of who buys"
    assert [event.kind for event in await flow.cart_events(database)] == ["CartTaxCalculated"]

    placed = await place(database, token)

    assert placed["userErrors"] == []
    assert placed["order"]["totals"] == totals
    read = await data_of(database, ORDER, {"ref": {"token": placed["orderToken"]}}, ANONYMOUS)
    assert read["order"]["totals"] == totals
    assert len(system.asked) == 1


async def test_no_order_is_placed_before_its_tax_is_known(database: Database, shop: Shop) -> None:
    token = await make_ready_cart(database, shop, 2)

    assert (await place(database, token))["userErrors"] == NO_TAX


async def test_a_tax_is_of_exactly_what_was_asked(
    database: Database, shop: Shop, service: HttpTaxService
) -> None:
    token = await make_ready_cart(database, shop, 2)
    await calculate(database, token, service)
    (line,) = await run_sql(database, "SELECT id FROM cart_lines")

    await flow.update_line(database, token, encode_id("CartLine", line.id), 3)

    assert (await cart_of(database, token))["totals"]["taxPending"] is True
    assert (await place(database, token))["userErrors"] == NO_TAX
    assert (await calculate(database, token, service))["cart"]["totals"]["total"]["amount"] == "38.50"
    assert (await place(database, token))["userErrors"] == []


async def test_a_discount_that_ends_takes_the_tax_with_it(
    database: Database, shop: Shop, service: HttpTaxService
) -> None:
    await make_discount(database, shop.channel)
    token = await make_ready_cart(database, shop, 2)
    totals = (await calculate(database, token, service))["cart"]["totals"]
    assert (totals["discount"]["amount"], totals["tax"]["amount"]) == ("2.00", "2.30")

    await run_sql(database, "UPDATE discounts SET active = false RETURNING id")

    assert (await place(database, token))["userErrors"] == NO_TAX


async def test_an_answer_that_comes_late_places_what_was_frozen(
    database: Database, shop: Shop, service: HttpTaxService
) -> None:
    token = await make_ready_cart(database, shop, 2)
    shown = (await calculate(database, token, service))["cart"]["totals"]
    await place(database, token, "timeout")
    await take_taxes_from(database, shop, TaxSource.RATES)

    assert await settle_due(later(database)) == 1

    (order,) = await run_sql(database, "SELECT tax_minor, total_minor FROM orders")
    assert (order.tax_minor, order.total_minor) == (250, 2750)
    assert shown["tax"]["amount"] == "2.50"


async def test_tax_inside_the_prices_is_a_part_of_them(
    database: Database, shop: Shop, service: HttpTaxService
) -> None:
    await take_taxes_from(database, shop, TaxSource.SERVICE, prices_include_tax=True)
    token = await make_ready_cart(database, shop, 2)
    await calculate(database, token, service)

    totals = (await place(database, token))["order"]["totals"]

    assert (totals["tax"]["amount"], totals["total"]["amount"]) == ("2.50", "25.00")


WRONG: list[tuple[str | int | None, dict[str, Any]]] = [
    (500, {}),
    (302, {}),
    ("", {}),
    ("null", {}),
    ("[]", {}),
    ("[" * 100_000, {}),
    (None, {"currency": "EUR"}),
    (None, {"currency": ["USD"]}),
    (None, {"lines": []}),
    (None, {"lines": [{"id": str(uuid4()), "taxes": []}]}),
    (None, {"lines": [{"id": "a", "taxes": []}]}),
    (None, {"lines": None}),
    (None, {"shipping": None}),
    *(
        (None, {"shipping": {"taxes": taxes}})
        for taxes in (
            [{"name": "T", "amount": "-0.01"}],
            [{"name": "T", "amount": "0.001"}],
            [{"name": "T", "amount": 0.5}],
            [{"name": "T", "amount": True}],
            [{"name": "T", "amount": "NaN"}],
            [{"name": "T", "amount": "1E999999999"}],
            [{"name": "T", "amount": "10000000000000.00"}],
            [{"name": "T"}],
            [{"name": " ", "amount": "1"}],
            [{"name": "T\0", "amount": "1"}],
            [{"name": "T" * 101, "amount": "1"}],
            [{"name": 7, "amount": "1"}],
            [{"name": "T", "percent": "101", "amount": "1"}],
            [{"name": "T", "percent": "1.00001", "amount": "1"}],
            [{"name": "T", "amount": "0"}] * 21,
            ["T"],
        )
    ),
]


@pytest.mark.parametrize(("answer", "change"), WRONG)
async def test_an_answer_that_makes_no_sense_is_never_believed(
    database: Database,
    shop: Shop,
    system: TaxSystem,
    service: HttpTaxService,
    answer: str | int | None,
    change: dict[str, Any],
) -> None:
    token = await make_ready_cart(database, shop, 2)
    system.answer, system.change = answer, change

    assert_unavailable(await calculate(database, token, service))

    assert len(system.asked) == 1
    assert (await place(database, token))["userErrors"] == NO_TAX


async def test_more_tax_than_price_is_not_believed_where_it_is_included(
    database: Database, shop: Shop, system: TaxSystem, service: HttpTaxService
) -> None:
    await take_taxes_from(database, shop, TaxSource.SERVICE, prices_include_tax=True)
    token = await make_ready_cart(database, shop, 2)
    system.change = {"shipping": {"taxes": [{"name": "T", "amount": "5.01"}]}}
    assert_unavailable(await calculate(database, token, service))

    system.change = {"shipping": {"taxes": [{"name": "T", "amount": "5.00"}]}}
    assert (await calculate(database, token, service))["userErrors"] == []


async def test_a_service_that_is_slow_gone_strange_or_not_there_is_a_typed_error(
    database: Database, shop: Shop, system: TaxSystem, service: HttpTaxService
) -> None:
    token = await make_ready_cart(database, shop, 2)
    assert_unavailable(await calculate(database, token, None))
    async with HttpTaxService("http://127.0.0.1:1/", SECRET, time_limit_seconds=5) as gone:
        assert_unavailable(await calculate(database, token, gone))
    async with HttpTaxService(system.url, "guessed", time_limit_seconds=5) as stranger:
        assert_unavailable(await calculate(database, token, stranger))
    system.delay_seconds = 1
    assert_unavailable(await calculate(database, token, service, tax_service_seconds=0.05))
    async with HttpTaxService(system.url, SECRET, time_limit_seconds=0.05) as impatient:
        with pytest.raises(TaxUnavailable, match="ReadTimeout"):
            await impatient.quote(TaxRequest("USD", ADDRESS, prices_include_tax=False, lines=()))


async def test_what_is_missing_is_named_and_nobody_is_asked(
    database: Database, shop: Shop, system: TaxSystem, service: HttpTaxService
) -> None:
    listed = [(shop.variant.sku, 1)]
    made = await flow.create_in(database, shop.channel.slug, listed)
    [error] = (await calculate(database, made["cartToken"], service))["userErrors"]
    assert (error["code"], error["missing"]) == ("CART_INCOMPLETE", ["shippingAddress"])
    [error] = (await calculate(database, "forged", service))["userErrors"]
    assert (error["code"], error["path"]) == ("NOT_FOUND", ["cartToken"])
    token = await make_ready_cart(database, shop, 2)
    await calculate(database, token, service)
    await place(database, token)
    [error] = (await calculate(database, token, service))["userErrors"]
    assert (error["code"], error["path"]) == ("CART_CLOSED", ["cartToken"])
    assert len(system.asked) == 1


async def test_a_channel_with_rates_asks_nobody_and_changes_nothing(
    database: Database, shop: Shop, system: TaxSystem, service: HttpTaxService
) -> None:
    await take_taxes_from(database, shop, TaxSource.RATES)
    token = await make_ready_cart(database, shop, 2)

    answered = await calculate(database, token, service)

    assert answered["cart"]["totals"]["taxPending"] is False
    assert answered["cart"]["version"] == 1
    assert system.asked == []


async def test_a_cart_that_changes_while_its_tax_is_asked_is_to_be_asked_again(
    database: Database, shop: Shop, service: HttpTaxService
) -> None:
    token = await make_ready_cart(database, shop, 2)
    (line,) = await run_sql(database, "SELECT id FROM cart_lines")

    class Meanwhile(HttpTaxService):
        """The service, while the shopper is quicker."""

        async def quote(self, request: Any) -> Any:
            await flow.update_line(database, token, encode_id("CartLine", line.id), 3)
            return await service.quote(request)

    [error] = (await calculate(database, token, Meanwhile("", "", time_limit_seconds=1)))["userErrors"]

    assert (error["code"], error["path"]) == ("VERSION_CONFLICT", ["cartToken"])
    assert (await calculate(database, token, service))["cart"]["totals"]["tax"]["amount"] == "3.50"


async def test_the_number_of_statements_is_known(
    database: Database, shop: Shop, service: HttpTaxService
) -> None:
    token = await make_ready_cart(database, shop, 2)
    with count_statements(database) as sent:
        await calculate(database, token, service)
    assert len(sent) == 6, sent
    with count_statements(database) as with_service:
        await place(database, token)
    await take_taxes_from(database, shop, TaxSource.RATES)
    token = await make_ready_cart(database, shop, 2)
    with count_statements(database) as with_rates:
        await place(database, token)
    assert len(with_service) == len(with_rates) == 12


async def test_a_draft_is_paid_by_its_link_once_its_tax_is_known(
    database: Database, shop: Shop, service: HttpTaxService
) -> None:
    made = await drafts.ready(database, shop, 2)
    [error] = (await drafts.place(database, made["order"]))["userErrors"]
    assert (error["code"], error["missing"]) == ("CART_INCOMPLETE", ["tax"])

    assert (await calculate(database, made["cartToken"], service))["userErrors"] == []

    assert (await drafts.read(database, made["order"]))["totals"]["total"]["amount"] == "22.00"
    paid = await drafts.pay(database, made["cartToken"])
    assert paid["userErrors"] == []
    assert paid["order"]["totals"]["total"]["amount"] == "22.00"


async def test_an_order_with_taxes_of_the_service_can_lose_units_but_get_none(
    database: Database, shop: Shop, service: HttpTaxService
) -> None:
    token = await make_ready_cart(database, shop, 2)
    await calculate(database, token, service)
    await place(database, token)
    (line,) = await run_sql(database, "SELECT id, order_id FROM order_lines")
    order = {"id": encode_id("Order", line.order_id)}
    more = {"add": [{"variant": {"sku": shop.variant.sku}, "quantity": 1}]}

    [error] = (await edit(database, order | more))["userErrors"]
    assert (error["__typename"], error["path"]) == ("InvalidInputError", ["add"])
    lines = [{"lineId": encode_id("OrderLine", line.id), "quantity": 3}]
    [error] = (await edit(database, order | {"lines": lines}))["userErrors"]
    assert (error["__typename"], error["path"]) == ("InvalidInputError", ["lines", "0", "quantity"])
    lines[0]["quantity"] = 1
    after = (await edit(database, order | {"lines": lines}))["edit"]["after"]
    assert after == {"tax": {"amount": "1.50"}, "total": {"amount": "16.50"}}


async def edit(database: Database, given: dict[str, Any]) -> dict[str, Any]:
    """Preview an edit as staff."""
    return dict((await data_of(database, PREVIEW, {"input": given}))["orderEditPreview"])
