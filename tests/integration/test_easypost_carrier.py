"""EasyPost over its own library, against a stand-in that refuses what is not documented."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.addresses import Address
from domain.carrier_ports import (
    CarrierRefused,
    CarrierUnavailable,
    LabelFormat,
    ManifestMaker,
    TrackingReader,
)
from domain.parcels import Carriage
from domain.ports import CallbackRefused
from domain.shipments import LabelState, ParcelSize, ShipmentStatus
from persistence.database import Database
from providers.carriers.easypost import EasyPostCarrier
from services import label_calls
from tests.cart_flows import run_sql
from tests.easypost_standin.server import API_KEY, SECRET, Account, easypost_standin, failing, hanging
from tests.labeled import desk, let_it_be_due, packed_parcels, parcel
from tests.parcels import label_request, rate_request, words_of

PRIORITY = "USPS/Priority"


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    """An account at the stand-in; a request that is not as documented fails the test."""
    async with easypost_standin() as made:
        yield made


@pytest.fixture
def carrier(account: Account) -> EasyPostCarrier:
    """EasyPost, which answers within a second or not at all."""
    return EasyPostCarrier(
        API_KEY, webhook_secret=SECRET, api_base=f"{account.url}/v2", time_limit_seconds=1.0
    )


async def test_rates_are_of_all_parcels_together_and_exact(carrier: EasyPostCarrier) -> None:
    one = await carrier.rates(rate_request(ParcelSize(400)))
    two = await carrier.rates(rate_request(ParcelSize(400), ParcelSize(1_000, 300, 200, 100)))

    assert [(quote.code, quote.price.amount, quote.max_days) for quote in one] == [
        ("USPS/GroundAdvantage", Decimal("8.92"), None),
        ("USPS/Priority", Decimal("7.47"), 2),
        ("UPSDAP/Ground", Decimal("9.03"), 4),
    ]
    assert two[1].price.amount == Decimal("7.47") + Decimal("9.97")
    assert {quote.price.currency for quote in two} == {"USD"}


async def test_a_label_is_bought_once_per_key(carrier: EasyPostCarrier, account: Account) -> None:
    label = await carrier.buy_label("one", label_request(PRIORITY))

    assert label.document_format is LabelFormat.PDF
    assert label.tracking_number in words_of(label.document)
    assert label.price is not None
    # 1.2 kg are 42.4 ounces: two further pounds.
    assert (label.price.amount, label.price.currency) == (Decimal("9.97"), "USD")
    assert label.tracking_url == f"https://track.example/{label.tracking_number}"
    assert label.estimated_at == datetime(2031, 5, 4, tzinfo=UTC)
    assert await carrier.buy_label("one", label_request(PRIORITY)) == label
    assert await carrier.find_label("one") == label
    assert await carrier.find_label("two") is None
    assert len(account.bought) == len(account.shipments) == 1


async def test_the_label_of_a_return_goes_from_the_customer_to_us_once(
    carrier: EasyPostCarrier, account: Account
) -> None:
    customer, shop = label_request().recipient, label_request().sender
    request = label_request(PRIORITY, sender=customer, recipient=shop)
    label = await carrier.buy_return_label("back", request)

    assert await carrier.buy_return_label("back", request) == label
    assert await carrier.find_label("back") == label
    (shipment,) = account.shipments.values()
    assert shipment["is_return"] is True
    assert (shipment["from_address"]["street1"], shipment["to_address"]["street1"]) == (
        customer.line1,
        shop.line1,
    )
    assert len(account.bought) == 1


@pytest.mark.parametrize("lost", ["create", "buy"])
@pytest.mark.parametrize("how", [failing(500, "INTERNAL"), hanging])
async def test_what_was_done_without_an_answer_is_found_and_not_done_again(
    carrier: EasyPostCarrier, account: Account, lost: str, how: Any
) -> None:
    account.fail[lost] = how
    with pytest.raises(CarrierUnavailable):
        await carrier.buy_label("one", label_request(PRIORITY))
    account.fail.clear()
    await asyncio.sleep(0)

    label = await carrier.find_label("one") or await carrier.buy_label("one", label_request(PRIORITY))

    assert len(account.bought) == len(account.shipments) == 1
    assert account.bought[0]["tracking_code"] == label.tracking_number


async def test_two_who_buy_at_once_under_one_key_get_the_same_label(
    carrier: EasyPostCarrier, account: Account
) -> None:
    account.fail["create"] = failing(500, "INTERNAL")
    with pytest.raises(CarrierUnavailable):
        await carrier.buy_label("one", label_request(PRIORITY))
    account.fail.clear()

    first, second = await asyncio.gather(
        *(carrier.buy_label("one", label_request(PRIORITY)) for _ in range(2))
    )

    assert first == second
    assert len(account.bought) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (422, "SHIPMENT.PURCHASE.IN_PROGRESS"),
        (422, "SHIPMENT.POSTAGE.TIMED_OUT"),
        (429, "RATE_LIMITED"),
        (503, "SERVICE_UNAVAILABLE"),
        (401, "APIKEY.INACTIVE"),
    ],
)
async def test_an_answer_that_decides_nothing_is_none(
    carrier: EasyPostCarrier, account: Account, status: int, code: str
) -> None:
    account.fail["buy"] = failing(status, code)

    with pytest.raises(CarrierUnavailable):
        await carrier.buy_label("one", label_request(PRIORITY))


async def test_calls_wait_in_threads_of_their_own(carrier: EasyPostCarrier) -> None:
    """While EasyPost hangs, the threads that everybody shares are free."""
    named: Any = await carrier._ask(lambda _client: threading.current_thread().name)

    assert named.startswith("easypost")


async def test_nobody_there_is_no_answer() -> None:
    away = EasyPostCarrier(API_KEY, api_base="http://127.0.0.1:1/v2", time_limit_seconds=1.0)
    for asked in (
        away.rates(rate_request()),
        away.buy_label("one", label_request(PRIORITY)),
        away.find_label("one"),
        away.void_label("shp_1"),
        away.track("shp_1", "94"),
        away.close_out("one", ["shp_1"]),
    ):
        with pytest.raises(CarrierUnavailable):
            await asked


async def test_what_it_refuses_is_told_in_its_words(carrier: EasyPostCarrier, account: Account) -> None:
    account.fail["buy"] = failing(422, "SHIPMENT.POSTAGE.FAILURE")
    with pytest.raises(CarrierRefused) as refused:
        await carrier.buy_label("one", label_request(PRIORITY))
    assert refused.value.code == "SHIPMENT.POSTAGE.FAILURE"
    assert "as the test wants" in refused.value.message


async def test_a_service_nobody_offers_and_a_parcel_without_a_weight_are_refused(
    carrier: EasyPostCarrier, account: Account
) -> None:
    with pytest.raises(CarrierRefused, match="USPS/Priority") as unknown:
        await carrier.buy_label("one", label_request("USPS/Rocket"))
    with pytest.raises(CarrierRefused) as weightless:
        await carrier.buy_label("two", label_request(PRIORITY, parcel=ParcelSize()))

    assert (unknown.value.code, weightless.value.code) == ("service_not_offered", "weight_missing")
    assert account.bought == []


async def test_a_parcel_abroad_has_its_customs_papers(carrier: EasyPostCarrier, account: Account) -> None:
    abroad = Address("Ada", "1 Rue A", "Paris", "FR", postal_code="75001")
    await carrier.buy_label("one", label_request("priority", recipient=abroad))

    assert len(account.bought) == 1
    assert account.violations == []


async def test_a_label_is_given_back_once_and_not_after_the_parcel_was_scanned(
    carrier: EasyPostCarrier, account: Account
) -> None:
    unused = await carrier.buy_label("one", label_request(PRIORITY))
    used = await carrier.buy_label("two", label_request(PRIORITY))
    account.shipments[used.reference]["tracker"]["status"] = "in_transit"

    assert [await carrier.void_label(unused.reference) for _ in range(2)] == [True, True]
    assert account.asked.count("refund") == 1
    assert await carrier.void_label(used.reference) is False


async def test_what_a_tracker_says_is_read_the_same_from_both_sides(
    carrier: EasyPostCarrier, account: Account
) -> None:
    assert isinstance(carrier, TrackingReader)
    label = await carrier.buy_label("one", label_request(PRIORITY))
    tracker = account.shipments[label.reference]["tracker"]
    tracker["tracking_details"] = [
        _detail("pre_transit", "2030-05-01T10:00:00Z", {}),
        _detail("unknown", "2030-05-01T11:00:00Z", {}),
        _detail("in_transit", "2030-05-02T10:00:00Z", {"city": "HOUSTON", "state": "TX", "country": "US"}),
        _detail("failure", "2030-05-03T10:00:00Z", {"city": None}),
        _detail("delivered", "2030-05-04T10:00:00Z", {"city": "CHARLESTON"}),
    ]

    asked = await carrier.track(label.reference, label.tracking_number)
    by_number = await carrier.track(None, label.tracking_number)
    headers, body = account.signed({"description": "tracker.updated", "result": tracker})
    told = carrier.read_tracking(headers, body, datetime.now(UTC))

    assert asked == by_number == told
    assert [(one.status, one.place) for one in told] == [
        (ShipmentStatus.PRE_TRANSIT, None),
        (ShipmentStatus.IN_TRANSIT, "HOUSTON, TX, US"),
        (ShipmentStatus.EXCEPTION, None),
        (ShipmentStatus.DELIVERED, "CHARLESTON"),
    ]
    assert len({one.id for one in told}) == 4
    assert {(one.reference, one.tracking_number) for one in told} == {
        (label.reference, label.tracking_number)
    }
    assert await carrier.track(None, "none") == []


async def test_a_webhook_that_is_not_signed_with_our_secret_is_refused(account: Account) -> None:
    carrier = EasyPostCarrier(API_KEY, webhook_secret=SECRET)
    event = {"description": "batch.created", "result": {}}
    headers, body = account.signed(event)
    now = datetime.now(UTC)

    assert carrier.read_tracking(headers, body, now) == []
    for given, sent in (
        ({}, body),
        ({"x-hmac-signature": "hmac-sha256-hex=00"}, body),
        ({"x-hmac-signature": "é"}, body),
        (headers, body + b" "),
        (account.signed(event, "another")[0], body),
    ):
        with pytest.raises(CallbackRefused):
            carrier.read_tracking(given, sent, now)
    with pytest.raises(CallbackRefused):
        EasyPostCarrier(API_KEY).read_tracking(headers, body, now)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"description": "tracker.updated"},
        {"description": "tracker.updated", "result": []},
        {"description": "tracker.updated", "result": {"tracking_details": [{"status": "delivered"}]}},
        {"description": "tracker.updated", "result": {"id": "trk_1", "tracking_code": "94",
            "tracking_details": [{"status": "delivered", "datetime": "yesterday"}]}},
        [],
    ],
)  # fmt: skip
async def test_a_signed_webhook_that_says_nothing_sensible_cannot_be_read(
    account: Account, event: Any
) -> None:
    headers, body = account.signed(event)

    with pytest.raises(ValueError, match=r"EasyPost|isoformat"):
        EasyPostCarrier(API_KEY, webhook_secret=SECRET).read_tracking(headers, body, datetime.now(UTC))


async def test_parcels_are_handed_over_on_one_scan_form(carrier: EasyPostCarrier) -> None:
    assert isinstance(carrier, ManifestMaker)
    labels = [await carrier.buy_label(key, label_request(PRIORITY)) for key in ("one", "two")]
    references = [label.reference for label in labels]

    first, again = [await carrier.close_out("today", references) for _ in range(2)]

    assert first == again
    assert all(label.tracking_number in words_of(first.document) for label in labels)


async def test_a_packed_parcel_gets_its_label_from_easypost(
    database: Database, carrier: EasyPostCarrier, account: Account
) -> None:
    order_id, (shipment_id,) = await packed_parcels(database, carriage=Carriage("USPS", PRIORITY, "easypost"))
    context = desk(database, carriers={"easypost": carrier})
    await run_sql(database, "UPDATE variants SET weight_grams = 250")
    account.fail["buy"] = failing(503, "SERVICE_UNAVAILABLE")
    await label_calls.buy_due(context)
    account.fail.clear()
    await let_it_be_due(database)

    await label_calls.buy_due(context)

    after = await parcel(database, order_id, shipment_id)
    assert after.label_state is LabelState.PURCHASED
    (bought,) = account.bought
    assert after.tracking_number == bought["tracking_code"]
    assert after.tracking_url is not None


def _detail(status: str, at: str, location: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": status,
        "status_detail": None,
        "message": status.upper(),
        "datetime": at,
        "tracking_location": location,
    }
