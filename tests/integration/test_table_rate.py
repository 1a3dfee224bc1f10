"""The shop's own delivery: no record, no calls, and still the same answer to the same question."""

import pytest

from domain.addresses import Address
from domain.carrier_ports import Carrier, ManifestMaker, TrackingReader
from providers.carriers.table_rate import TableRateCarrier, number_of
from tests.parcels import label_request, rate_request, scanned, words_of


async def test_it_asks_nothing_and_knows_no_position() -> None:
    own: Carrier = TableRateCarrier("Bikes")

    assert await own.rates(rate_request()) == []
    assert await own.track(None, "OD1") == []
    assert await own.find_label("one") is None
    assert not isinstance(own, TrackingReader)


async def test_a_label_printed_again_has_the_same_number_which_a_scanner_reads() -> None:
    own = TableRateCarrier("Bikes")

    first, again, other = [await own.buy_label(key, label_request("Van")) for key in ("a", "a", "b")]

    assert (first.reference, first.tracking_number) == (again.reference, again.tracking_number)
    assert first.tracking_number != other.tracking_number
    assert scanned(first.document) == first.tracking_number == number_of("a")
    assert "Bikes Van" in words_of(first.document)
    assert await own.void_label(first.reference) is True


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (Address("山田 花子", "丸の内1丁目9-1", "千代田区", "JP", postal_code="100-0005"), "丸の内1丁目9-1"),
        (
            Address("Зоя Ильинична", "ул. Тверская, 7", "Москва", "RU", postal_code="125009"),
            "ул. Тверская, 7",
        ),
        (Address("Łukasz Żak", "Łódzka 5", "Łódź", "PL", postal_code="90-001"), "90-001 Łódź"),
        (Address("فاطمة", "شارع الملك", "الرياض", "SA", postal_code="12214"), "12214"),
    ],
)
async def test_a_label_says_where_it_goes_in_any_script(address: Address, shown: str) -> None:
    label = await TableRateCarrier("Bikes").buy_label("a", label_request("Van", recipient=address))

    words = words_of(label.document)
    assert shown in words
    assert "?" not in words
    assert "\ufffd" not in words
    assert scanned(label.document) == label.tracking_number


async def test_what_the_driver_takes_is_listed_by_number() -> None:
    own = TableRateCarrier("Bikes")
    assert isinstance(own, ManifestMaker)

    manifest = await own.close_out("today", [f"parcel-{at}" for at in range(45)])

    words = words_of(manifest.document)
    assert all(number_of(f"parcel-{at}") in words for at in range(45))
    assert words.count("45 parcels") == 2
