"""Amounts that are not what the currency, the field or common sense allow are typed errors, never a 500."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import get_named_type, is_input_object_type

from api.resolvers.root_fields import ACCESS_KEY
from api.root import build_schema
from api.scalars import encode_id
from persistence.database import Database
from services.access import Permission
from tests.factories import Shop, data_of, make_shop

BAD = {
    "negative": {"amount": "-1", "currency": "USD"},
    "foreign": {"amount": "1", "currency": "EUR"},
    "no currency": {"amount": "1", "currency": "XYZ"},
    "hostile currency": {"amount": "1", "currency": "\ud800"},
    "over-precise": {"amount": "1.001", "currency": "USD"},
    "overflowing": {"amount": "10000000000000.01", "currency": "USD"},
    "beyond 64 bits": {"amount": "99999999999999999999999", "currency": "USD"},
    "a million digits": {"amount": "1e1000000", "currency": "USD"},
    "tiny": {"amount": "1e-1000000", "currency": "USD"},
    "not a number": {"amount": "NaN", "currency": "USD"},
    "infinite": {"amount": "Infinity", "currency": "USD"},
}
Input = Callable[[Shop, dict[str, str]], dict[str, Any]]
PLACES: dict[tuple[str, str], Input] = {
    ("channelUpdate", "reviewFrom"): lambda shop, money: {
        "id": encode_id("Channel", shop.channel.id),
        "reviewFrom": money,
    },
    ("deliveryRateCreate", "price"): lambda shop, money: _rate(shop, price=money),
    ("deliveryRateCreate", "minValue"): lambda shop, money: _rate(shop, minValue=money),
    ("deliveryRateCreate", "maxValue"): lambda shop, money: _rate(shop, maxValue=money),
    ("discountCreate", "amount"): lambda shop, money: {
        "channel": shop.channel.slug,
        "kind": "FIXED_AMOUNT",
        "name": "Off",
        "amount": money,
    },
    ("discountCreate", "minimumSubtotal"): lambda shop, money: {
        "channel": shop.channel.slug,
        "kind": "FREE_SHIPPING",
        "name": "Off",
        "minimumSubtotal": money,
    },
    ("variantPriceSet", "price"): lambda shop, money: {
        "variant": {"sku": shop.variant.sku},
        "channel": shop.channel.slug,
        "price": money,
    },
}
# How much of their own store credit customers let a cart use at most.
_LIMITS = {"cartStoreCreditApply: input.amount", "cartStoreCreditApply: input.amount.amount"}
_PRICES = {"price", "unitPrice", "subtotal", "total", "tax", "discount", "shipping", "amount"}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("place", PLACES, ids=".".join)
async def test_a_bad_amount_names_its_field(
    database: Database, place: tuple[str, str], bad: dict[str, str]
) -> None:
    mutation, field = place
    shop = await make_shop(database)
    document = f"""mutation ($input: {mutation[0].upper()}{mutation[1:]}Input!) {{
        {mutation}(input: $input) {{ userErrors {{ code path }} }} }}"""

    answer = await data_of(database, document, {"input": PLACES[place](shop, bad)})

    (error,) = answer[mutation]["userErrors"]
    assert error["code"] == "INVALID_INPUT"
    assert error["path"] in ([field, "amount"], [field, "currency"])


def test_nothing_a_shopper_sends_says_what_something_costs() -> None:
    mutations = build_schema()._schema.mutation_type
    assert mutations is not None
    named = {
        f"{name}: {path}"
        for name, field in mutations.fields.items()
        if not isinstance(_access(field), Permission | frozenset)
        for argument in field.args.values()
        for path in _paths(get_named_type(argument.type))
        if path.rsplit(".", 1)[-1] in _PRICES
    }

    assert named == _LIMITS


def _access(field: Any) -> Any:
    return field.extensions["strawberry-definition"].metadata[ACCESS_KEY]


def _paths(type_: Any, before: str = "input") -> Iterator[str]:
    if is_input_object_type(type_):
        for name, field in type_.fields.items():
            yield f"{before}.{name}"
            yield from _paths(get_named_type(field.type), f"{before}.{name}")


def _rate(shop: Shop, **more: Any) -> dict[str, Any]:
    price = {"amount": "1", "currency": "USD"}
    return {"channel": shop.channel.slug, "carrier": "Post", "service": "S", "price": price, **more}
