"""Delivery quotes: mark-ups, what is offered of them, and how long they hold."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.addresses import Address
from domain.carrier_ports import RateQuote
from domain.cartonization import Goods
from domain.catalog import Box
from domain.delivery_quotes import (
    DeliveryService,
    QuotesOfProvider,
    check,
    fingerprint,
    fresh,
    from_json,
    marked_up,
    offers_of,
    to_json,
)
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money

CART = UUID(int=7)
NOW = datetime(2026, 12, 3, 9, tzinfo=UTC)
HERE = Address("Ada", "Street 1", "Berlin", "DE", postal_code="10115")
GOODS = (Goods("a", 1, 500, Box(10, 20, 30)), Goods("b", 2))


def service(code: str = "EXPRESS", **more: object) -> DeliveryService:
    return DeliveryService(UUID(int=len(code)), "sandbox", code, **more)  # type: ignore[arg-type]


def quote(code: str = "EXPRESS", minor: int = 1_000, currency: str = "EUR") -> RateQuote:
    return RateQuote("Sandbox Post", code.title(), code, Money(minor, currency), 1, 2)


@pytest.mark.parametrize(
    ("ppm", "fixed", "price"), [(0, 0, 1_005), (100_000, 0, 1_106), (100_000, 50, 1_156), (500, 0, 1_006)]
)
def test_a_mark_up_is_a_share_rounded_half_up_and_an_amount(ppm: int, fixed: int, price: int) -> None:
    assert marked_up(1_005, service(markup_ppm=ppm, markup_minor=fixed)) == price


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_a_mark_up_is_exact_in_currencies_of_other_decimals(currency: str) -> None:
    (offer,) = offers_of(CART, [service(markup_ppm=105_000)], [quote(currency=currency, minor=333)], currency)
    assert offer.price_minor == 368  # 333 + 34.965, rounded once


def test_only_services_of_the_channel_are_offered_and_only_in_its_currency() -> None:
    quotes = [quote("EXPRESS"), quote("ECONOMY"), quote("STANDARD", currency="USD")]
    offers = offers_of(CART, [service("STANDARD"), service("EXPRESS")], quotes, "EUR")
    assert [(one.code, one.provider, one.min_days, one.max_days) for one in offers] == [
        ("EXPRESS", "sandbox", 1, 2)
    ]


def test_a_service_is_shown_under_its_own_name_or_the_carriers() -> None:
    own = offers_of(CART, [service(name="Tomorrow", carrier="Us")], [quote()], "EUR")[0]
    theirs = offers_of(CART, [service()], [quote()], "EUR")[0]
    assert (own.carrier, own.service) == ("Us", "Tomorrow")
    assert (theirs.carrier, theirs.service) == ("Sandbox Post", "Express")


def test_a_service_has_the_same_id_in_a_cart_however_often_it_is_quoted() -> None:
    first, again = (offers_of(CART, [service()], [quote(minor=minor)], "EUR")[0] for minor in (100, 200))
    elsewhere = offers_of(UUID(int=8), [service()], [quote()], "EUR")[0]
    assert first.id == again.id != elsewhere.id


def test_an_offer_is_stored_without_loss() -> None:
    offer = offers_of(CART, [service(handling_days=2)], [quote()], "EUR")[0]
    assert from_json("sandbox", to_json(offer)) == offer


def test_quotes_hold_for_their_time_and_their_question() -> None:
    kept = QuotesOfProvider("sandbox", "asked", NOW + timedelta(minutes=30), ())
    assert fresh(kept, "asked", NOW)
    assert not fresh(kept, "asked", NOW + timedelta(minutes=30))
    assert not fresh(kept, "another", NOW)


@pytest.mark.parametrize(
    ("address", "goods"),
    [
        (Address("Ada", "Street 1", "Berlin", "DE", postal_code="10117"), GOODS),
        (HERE, (GOODS[0],)),
        (HERE, (GOODS[0], Goods("b", 3))),
        (HERE, (Goods("a", 1, 501, Box(10, 20, 30)), GOODS[1])),
        (HERE, (Goods("a", 1, 500, Box(10, 20, 31)), GOODS[1])),
        (None, GOODS),
    ],
)
def test_other_goods_or_another_place_are_another_question(
    address: Address | None, goods: tuple[Goods, ...]
) -> None:
    assert fingerprint(address, goods) != fingerprint(HERE, GOODS)


def test_who_receives_it_and_the_order_of_the_lines_make_no_other_question() -> None:
    same = Address("Grace", "Street 1", "Berlin", "DE", postal_code="10115", phone="+4930123456")
    assert fingerprint(same, GOODS[::-1]) == fingerprint(HERE, GOODS)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"markup_ppm": -1}, "markupPercent"),
        ({"markup_ppm": 1_000_001}, "markupPercent"),
        ({"handling_days": 366}, "handlingDays"),
        ({"position": 10**9}, "position"),
        ({"name": " "}, "name"),
        ({"carrier": "x" * 101}, "carrier"),
        ({"code": ""}, "code"),
    ],
)
def test_what_cannot_be_a_service_names_its_field(changes: dict[str, object], field: str) -> None:
    given = {"code": "EXPRESS", **changes}
    with pytest.raises(InvalidInput) as refused:
        check(DeliveryService(UUID(int=1), "sandbox", **given))  # type: ignore[arg-type]
    assert refused.value.path == (field,)
