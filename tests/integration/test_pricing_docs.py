"""The examples in the document of prices run as written, and its amounts are theirs."""

from decimal import Decimal
from typing import Any

from api.scalars import encode_id
from domain.kernel.money import Amount
from persistence.database import Database
from services import shipping
from services.shipping import RateChanges
from tests import cart_flows as flow
from tests.factories import give_stock, make_channel, make_context, make_location, make_variant
from tests.integration.test_catalog_docs import FEATURES, run_examples

LONDON = {
    "name": "Ada",
    "line1": "12 St James's Square",
    "city": "London",
    "postalCode": "SW1Y 4LE",
    "country": "GB",
}


async def ready_cart(database: Database) -> dict[str, str]:
    """Make the cart of the document; returns its token and its channel's id."""
    channel = await make_channel(database, slug="web", currency="GBP")
    place = await make_location(database)
    for sku, price in (("MUG-BLUE", "12.50"), ("BOOK", "8.00")):
        await give_stock(database, await make_variant(database, channel, sku=sku, price=price), place, 10)
    given = RateChanges(carrier="Post", service="Letter", price=Amount(Decimal("3.95"), "GBP"), position=-1)
    await shipping.create(make_context(database), "web", given)
    created = await flow.create_in(database, "web", [("MUG-BLUE", 2), ("BOOK", 1)], email="ada@example.org")
    token = created["cartToken"]
    cart = (await flow.update(database, token, shippingAddress=LONDON))["cart"]
    await flow.select(database, token, cart["deliveryOptions"][0]["id"])
    return {"cartToken": token, "channelId": encode_id("Channel", channel.id)}


def row(line: dict[str, Any]) -> str:
    """Return a line as the page's table has it."""
    total, discount, tax = (line[name]["amount"] for name in ("total", "discount", "tax"))
    return f"{total} | {discount} | {Decimal(total) - Decimal(discount)} | {tax}"


async def test_the_examples_run_and_say_what_the_page_says(database: Database) -> None:
    answers = await run_examples(database, "pricing", await ready_cart(database))

    assert len(answers) == 10
    applied, cart = answers[-2:]
    assert applied["cart"]["totals"] == {"discount": {"amount": "3.30"}, "total": {"amount": "33.65"}}
    page = (FEATURES / "pricing.md").read_text(encoding="utf-8")
    for name, line in zip(("mugs", "book"), cart["lines"], strict=True):
        assert f"| {name} | {row(line)} |" in page
    totals = cart["totals"]
    tax_of_delivery = next(
        one["amount"]["amount"] for one in totals["adjustments"] if one["target"] == "SHIPPING"
    )
    assert f"| delivery | 3.95 | | 3.95 | {tax_of_delivery} |" in page
    assert f"| total | 36.95 | {totals['discount']['amount']} | **{totals['total']['amount']}** |" in page
    assert f"**{totals['tax']['amount']}** |" in page
