"""The retailer's shop over the API: set up, sell, cancel, and look what is left."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

from bench._http import Connection, Operation
from tests.acceptance.online_retail import Invoice

CHANNEL = "gifts"
LOCATION = "UK"
_CURRENCY = "GBP"
_STOCK_PER_REQUEST = 20

_ERRORS = "userErrors { code message path }"
_MONEY = "{ amount currency }"


def _mutation(field: str, payload: str = "") -> Operation:
    name = f"{field[0].upper()}{field[1:]}Input"
    return Operation(
        field, f"mutation($input: {name}!) {{ {field}(input: $input) {{ {payload} {_ERRORS} }} }}"
    )


_CHANNEL = _mutation("channelCreate")
_LOCATION = _mutation("locationCreate")
_PRODUCT = _mutation("productCreate")
_ADJUST = _mutation("stockAdjust")
_CREATE = _mutation("cartCreate", "cartToken")
_ADD = _mutation("cartLineAdd")
_UPDATE = _mutation("cartUpdate", "cart { deliveryOptions { id } }")
_SELECT = _mutation("cartDeliveryOptionSelect")
_PLACE = _mutation("orderPlace", "order { id number } orderToken")
_CANCEL = _mutation("orderCancel", "order { status }")
_ORDERS = Operation(
    "orders",
    f"""query($after: String) {{ orders(first: 50, after: $after) {{
      edges {{ node {{ number status totals {{ subtotal {_MONEY} total {_MONEY} }}
        lines {{ sku quantity }} }} }}
      pageInfo {{ hasNextPage endCursor }} }} }}""",
)


async def open_shop(staff: Connection) -> None:
    """Make the one location and the channel."""
    await staff.call(_LOCATION, input={"code": LOCATION, "name": "The warehouse"})
    await staff.call(
        _CHANNEL,
        input={"slug": CHANNEL, "name": "Gifts", "currency": _CURRENCY, "locationCodes": [LOCATION]},
    )


async def stock_product(staff: Connection, sku: str, name: str, price: Decimal, units: int) -> None:
    """Put one SKU on sale."""
    money = {"amount": f"{price:.2f}", "currency": _CURRENCY}
    prices = [{"channel": CHANNEL, "price": money}]
    await staff.call(_PRODUCT, input={"name": name, "variants": [{"sku": sku, "prices": prices}]})
    await staff.call(
        _ADJUST,
        input={
            "variant": {"sku": sku},
            "locationCode": LOCATION,
            "delta": units,
            "reason": "RECEIVED",
            "idempotencyKey": f"opening-{sku}",
        },
    )


async def buy(shopper: Connection, invoice: Invoice, *, at_once: bool) -> str:
    """Turn the invoice into a cart and an order; return the order's token.

    `at_once` makes the cart with all its lines, else each line is a mutation of its own.
    """
    lines = [{"variant": {"sku": line.sku}, "quantity": line.quantity} for line in invoice.lines]
    made = await shopper.call(
        _CREATE,
        input={"channel": CHANNEL, "lines": lines if at_once else [], "idempotencyKey": str(uuid4())},
    )
    token = made["cartToken"]
    if not at_once:
        for line in lines:
            await shopper.call(_ADD, input={"cartToken": token, "idempotencyKey": str(uuid4()), **line})
    email = f"customer-{invoice.customer or invoice.number}@example.com"
    given = await shopper.call(
        _UPDATE,
        input={"cartToken": token, "email": email, "shippingAddress": _address_in(invoice.country)},
    )
    option = given["cart"]["deliveryOptions"][0]["id"]
    await shopper.call(_SELECT, input={"cartToken": token, "deliveryOptionId": option})
    placed = await shopper.call(
        _PLACE,
        input={
            "cartToken": token,
            "payment": {"provider": "sandbox", "method": "ok"},
            "idempotencyKey": f"invoice-{invoice.number}",
        },
    )
    return str(placed["orderToken"])


async def cancel(shopper: Connection, order_token: str, number: str) -> None:
    """Cancel an order as its shopper."""
    await shopper.call(
        _CANCEL,
        input={
            "ref": {"token": order_token},
            "reason": "the invoice was cancelled",
            "idempotencyKey": f"cancel-{number}",
        },
    )


async def orders(staff: Connection) -> list[dict[str, Any]]:
    """Return every order, page by page."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await staff.post(_ORDERS.body({"after": after})))["orders"]
        found += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def revenue(found: list[dict[str, Any]]) -> Decimal:
    """Return the sum of the orders' subtotals."""
    return sum((Decimal(order["totals"]["subtotal"]["amount"]) for order in found), Decimal())


async def stock(staff: Connection, skus: list[str]) -> dict[str, dict[str, int]]:
    """Return the counts of every SKU at the location."""
    levels: dict[str, dict[str, int]] = {}
    for some in _batches(skus, _STOCK_PER_REQUEST):
        fields = " ".join(
            f"s{index}: stockLevels(variant: $v{index}) {{ sku onHand held committed available }}"
            for index in range(len(some))
        )
        arguments = ", ".join(f"$v{index}: VariantRef!" for index in range(len(some)))
        query = Operation("", f"query({arguments}) {{ {fields} }}")
        variables: dict[str, object] = {f"v{index}": {"sku": sku} for index, sku in enumerate(some)}
        for rows in (await staff.post(query.body(variables))).values():
            assert len(rows) == 1, rows
            levels[rows[0]["sku"]] = rows[0]
    return levels


def country_code(country: str) -> str:
    """Return the ISO code of a country of the data."""
    return _PLACES[country]["country"]


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _address_in(country: str) -> Mapping[str, str]:
    """Return an address in the country; the data has none."""
    return {"name": "A. Customer", "line1": "1 Main Street", **_PLACES[country]}


def _place(code: str, city: str, postal_code: str = "", region: str = "") -> dict[str, str]:
    place = {"country": code, "city": city, "postalCode": postal_code, "region": region}
    return {name: value for name, value in place.items() if value}


_PLACES = {
    "Australia": _place("AU", "North Sydney", "2060", "NSW"),
    "Austria": _place("AT", "Wien", "1010"),
    "Bahrain": _place("BH", "Manama", "317"),
    "Belgium": _place("BE", "Liege", "4000"),
    "Channel Islands": _place("GG", "St Peter Port", "GY1 1AA"),
    "Cyprus": _place("CY", "Nicosia", "2008"),
    "Denmark": _place("DK", "Copenhagen", "1566"),
    "EIRE": _place("IE", "Dublin", "D02 AF30"),
    "Finland": _place("FI", "Helsinki", "00550"),
    "France": _place("FR", "Bordeaux", "33380"),
    "Germany": _place("DE", "Oldenburg", "26133"),
    "Iceland": _place("IS", "Reykjavik", "121"),
    "Italy": _place("IT", "Roma", "00144", "RM"),
    "Japan": _place("JP", "Setagaya-ku", "154-0023", "Tokyo"),
    "Lithuania": _place("LT", "Vilnius", "04340"),
    "Netherlands": _place("NL", "Den Haag", "2490 AA"),
    "Norway": _place("NO", "Oslo", "0107"),
    "Poland": _place("PL", "Warszawa", "00-950"),
    "Portugal": _place("PT", "Lisboa", "1250-096"),
    "Spain": _place("ES", "Madrid", "28039", "Madrid"),
    "Sweden": _place("SE", "Stockholm", "11455"),
    "Switzerland": _place("CH", "Geneve", "1211"),
    "United Kingdom": _place("GB", "London", "EC1Y 8SY"),
}
