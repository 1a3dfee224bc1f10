"""The sandbox carrier: what it asks, sells, takes back and tells, and how it fails."""

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from domain.addresses import Address
from domain.carrier_ports import CarrierRefused, CarrierUnavailable, ManifestMaker, TrackingReader
from domain.kernel.errors import InvalidInput
from domain.ports import CallbackRefused
from domain.shipments import ParcelSize, ShipmentStatus
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from providers.carriers.sandbox_desk import CarrierDesk
from providers.carriers.sandbox_record import parcels
from providers.carriers.sandbox_tracking import TrackingCallback, TrackingDeliverer, tracking_callbacks
from tests.parcels import label_request, rate_request, scanned, taking, words_of

SECRET = b"a secret that only the two of them know"


@pytest.fixture
def carrier(database: Database) -> SandboxCarrier:
    """A sandbox carrier whose parcels move only when told to."""
    return SandboxCarrier(database.engine, callback_secret=SECRET)


@pytest.fixture
def desk(database: Database) -> CarrierDesk:
    """What happens there without us."""
    return CarrierDesk(database.engine)


async def test_it_asks_more_for_what_is_heavier_faster_or_farther_in_any_currency(
    carrier: SandboxCarrier,
) -> None:
    near = await carrier.rates(rate_request())
    heavy = await carrier.rates(rate_request(ParcelSize(9_999)))
    far = await carrier.rates(rate_request(currency="JPY", to=Address("A", "B 1", "Wien", "AT")))

    assert [(one.code, one.price.amount_minor) for one in near] == [
        ("EXPRESS", 2_040), ("STANDARD", 920), ("ECONOMY", 560),
    ]  # fmt: skip
    assert all(
        more.price.amount_minor > less.price.amount_minor for more, less in zip(heavy, near, strict=True)
    )
    assert [one.price.currency for one in far] == ["JPY"] * 3
    assert [(one.min_days, one.max_days) for one in far] == [(2, 3), (4, 7), (7, 14)]
    assert await carrier.rates(rate_request(ParcelSize(31_501))) == []


async def test_a_bulky_parcel_counts_by_its_volume(carrier: SandboxCarrier) -> None:
    light, bulky = [
        (await carrier.rates(rate_request(size)))[0].price
        for size in (ParcelSize(500), ParcelSize(500, 500, 400, 300))
    ]

    assert bulky.amount_minor - light.amount_minor == 23 * 60 * 2


async def test_a_label_is_sold_once_per_key_and_found_by_it(
    carrier: SandboxCarrier, database: Database
) -> None:
    bought = await asyncio.gather(*(carrier.buy_label("one", label_request()) for _ in range(5)))

    assert len({label.tracking_number for label in bought}) == 1
    assert await carrier.find_label("one") == bought[0]
    assert await carrier.find_label("two") is None
    assert len(await parcels(database.engine)) == 1


async def test_a_label_is_a_pdf_that_says_where_it_goes(carrier: SandboxCarrier) -> None:
    label = await carrier.buy_label("one", label_request("standard"))

    words = words_of(label.document)
    for expected in ("Ada Lovelace", "Hauptstr. 5", "80331 München", "#100001", label.tracking_number):
        assert expected in words
    assert label.price is not None
    assert (label.price.amount_minor, label.price.currency) == (980, "EUR")


async def test_the_barcode_of_a_label_reads_as_its_tracking_number(carrier: SandboxCarrier) -> None:
    label = await carrier.buy_label("one", label_request())

    assert scanned(label.document) == label.tracking_number


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"service": "OVERNIGHT"}, "unknown_service"),
        ({"parcel": ParcelSize(40_000)}, "too_heavy"),
        ({"recipient": Address("A", "Undeliverable 1", "Berlin", "DE")}, "address_undeliverable"),
    ],
)
async def test_what_it_does_not_carry_is_refused(
    carrier: SandboxCarrier, database: Database, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(CarrierRefused) as refused:
        await carrier.buy_label("one", label_request(**changes))  # type: ignore[arg-type]

    assert refused.value.code == code
    assert await parcels(database.engine) == []


async def test_a_label_is_taken_back_until_the_parcel_was_scanned(
    carrier: SandboxCarrier, desk: CarrierDesk
) -> None:
    unused = await carrier.buy_label("unused", label_request())
    used = await carrier.buy_label("used", label_request())
    await desk.advance(used.tracking_number, "IN_TRANSIT", place="Leipzig")

    assert [await carrier.void_label(one) for one in (unused.reference, unused.reference)] == [True, True]
    assert await carrier.void_label(used.reference) is False
    assert await carrier.void_label("sbp_none") is False
    assert await desk.advance(unused.tracking_number, "IN_TRANSIT") is None


async def test_what_somebody_lets_happen_is_told_in_its_order(
    carrier: SandboxCarrier, desk: CarrierDesk
) -> None:
    label = await carrier.buy_label("one", label_request())
    await desk.advance(label.tracking_number, "in-transit", place="Leipzig")
    await desk.advance(label.tracking_number, "DELIVERED", description="Left with a neighbour")

    told = await carrier.track(None, label.tracking_number)

    assert [(one.status, one.place) for one in told] == [
        (ShipmentStatus.IN_TRANSIT, "Leipzig"),
        (ShipmentStatus.DELIVERED, None),
    ]
    assert told[1].description == "Left with a neighbour"
    assert {one.reference for one in told} == {label.reference}
    with pytest.raises(InvalidInput):
        await desk.advance(label.tracking_number, "CANCELED")


async def test_parcels_move_by_themselves_as_fast_as_the_settings_say(database: Database) -> None:
    swift = SandboxCarrier(database.engine, day_seconds=0.2)
    label = await swift.buy_label("one", label_request())
    before = await swift.track(label.reference, label.tracking_number)
    await asyncio.sleep(0.3)
    after = await swift.track(label.reference, label.tracking_number)

    assert before == []
    assert [one.status.value for one in after] == [
        "IN_TRANSIT", "IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED",
    ]  # fmt: skip
    assert [one.place for one in after] == ["Berlin", "München", "München", "München"]


async def test_a_parcel_that_somebody_moves_does_not_move_by_itself(
    database: Database, desk: CarrierDesk
) -> None:
    swift = SandboxCarrier(database.engine, day_seconds=0.2)
    label = await swift.buy_label("one", label_request())
    await desk.advance(label.tracking_number, "EXCEPTION")
    await asyncio.sleep(0.3)

    assert [one.status.value for one in await swift.track(None, label.tracking_number)] == ["EXCEPTION"]


async def test_nothing_is_answered_while_it_is_down(carrier: SandboxCarrier, desk: CarrierDesk) -> None:
    await desk.set_faults(down_for_seconds=60)

    for asked in (
        carrier.rates(rate_request()),
        carrier.buy_label("one", label_request()),
        carrier.find_label("one"),
        carrier.void_label("sbp_none"),
        carrier.track(None, "SB1"),
        carrier.close_out("one", ["sbp_none"]),
    ):
        with pytest.raises(CarrierUnavailable):
            await asked
    await desk.set_faults(down_for_seconds=0)
    assert len(await carrier.rates(rate_request())) == 3


async def test_a_label_whose_answer_fails_is_recorded_or_not_and_never_twice(
    carrier: SandboxCarrier, desk: CarrierDesk, database: Database
) -> None:
    await desk.set_faults(error=1.0)
    for key in map(str, range(12)):
        for _ in range(3):
            with pytest.raises(CarrierUnavailable):
                await carrier.buy_label(key, label_request())

    sold = await parcels(database.engine)
    assert 0 < len(sold) <= 12
    assert len({one.idempotency_key for one in sold}) == len(sold)


async def test_a_label_that_is_never_answered_is_recorded(carrier: SandboxCarrier, desk: CarrierDesk) -> None:
    await desk.set_faults(hang=1.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await carrier.buy_label("one", label_request())

    assert await carrier.find_label("one") is not None


async def test_rates_out_of_bounds_are_no_faults(desk: CarrierDesk) -> None:
    for wrong in ({"hang": 1.5}, {"hang": 0.6, "error": 0.6}, {"late": -1.0}):
        with pytest.raises(InvalidInput):
            await desk.set_faults(**wrong)


async def test_a_manifest_lists_the_parcels_once_per_key(carrier: SandboxCarrier) -> None:
    assert isinstance(carrier, ManifestMaker)
    labels = [await carrier.buy_label(key, label_request()) for key in ("one", "two")]
    references = [label.reference for label in labels]

    first, again = [await carrier.close_out("today", references) for _ in range(2)]

    assert first == again
    for label in labels:
        assert label.tracking_number in words_of(first.document)
    with pytest.raises(CarrierRefused):
        await carrier.close_out("tomorrow", [*references, "sbp_none"])


async def test_what_it_tells_is_posted_signed_and_read_back(
    carrier: SandboxCarrier, desk: CarrierDesk, database: Database
) -> None:
    assert isinstance(carrier, TrackingReader)
    label = await carrier.buy_label("one", label_request())
    arrival = datetime(2031, 5, 4, 12, tzinfo=UTC)
    await desk.advance(label.tracking_number, "IN_TRANSIT", place="Köln", estimated_at=arrival)
    async with taking() as taker:
        await TrackingDeliverer(database.engine, taker.url, SECRET).deliver_due()
        ((headers, body),) = taker.taken

    (read,) = carrier.read_tracking(headers, body, datetime.now(UTC))

    assert read == (await carrier.track(label.reference, label.tracking_number))[0]
    assert (read.place, read.estimated_at) == ("Köln", arrival)


async def test_callbacks_come_twice_where_the_faults_say_so(
    carrier: SandboxCarrier, desk: CarrierDesk, database: Database
) -> None:
    await desk.set_faults(duplicate=1.0)
    label = await carrier.buy_label("one", label_request())
    await desk.advance(label.tracking_number, "IN_TRANSIT")
    async with taking() as taker:
        deliverer = TrackingDeliverer(database.engine, taker.url, SECRET)
        assert [await deliverer.deliver_due() for _ in range(3)] == [1, 1, 0]

    assert len({headers["webhook-id"] for headers, _ in taker.taken}) == 1


async def test_callbacks_are_late_where_the_faults_say_so(
    carrier: SandboxCarrier, desk: CarrierDesk, database: Database
) -> None:
    await desk.set_faults(late=1.0, shuffle=1.0)
    label = await carrier.buy_label("one", label_request())
    await desk.advance(label.tracking_number, "IN_TRANSIT")

    (told,) = await tracking_callbacks(database.engine)
    assert told.occurred_at < told.due_at < told.occurred_at + timedelta(seconds=6)


async def test_a_callback_that_is_not_taken_is_due_again(
    carrier: SandboxCarrier, desk: CarrierDesk, database: Database
) -> None:
    label = await carrier.buy_label("one", label_request())
    await desk.advance(label.tracking_number, "IN_TRANSIT")
    async with taking(status=503) as taker:
        assert await TrackingDeliverer(database.engine, taker.url, SECRET).deliver_due() == 0

    (told,) = await tracking_callbacks(database.engine)
    assert (told.deliveries_left, told.last_status, told.attempts) == (1, 503, 1)
    assert told.due_at > datetime.now(UTC)


def test_a_callback_without_its_signature_or_with_another_body_is_refused(carrier: SandboxCarrier) -> None:
    headers, body = _signed(_callback().body())

    for given_headers, given_body in (
        ({}, body),
        (headers, body.replace(b"IN_TRANSIT", b"DELIVERED")),
        ({**headers, "webhook-signature": "v1,%%%"}, body),
        ({**headers, "webhook-timestamp": "0"}, body),
        (headers, b"\xff\xfe"),
    ):
        with pytest.raises(CallbackRefused):
            carrier.read_tracking(given_headers, given_body, datetime.now(UTC))


@pytest.mark.parametrize(
    "body",
    [
        b"null", b"[]", b'{"data": 1}', b'{"data": {}, "timestamp": "2030-01-01T00:00:00Z"}',
        orjson.dumps({**orjson.loads(b'{"timestamp": "2030-01-01T00:00:00"}'), "data": {
            "parcel": "sbp_1", "tracking_number": "SB1", "status": "DELIVERED"}}),
        orjson.dumps({"timestamp": "2030-01-01T00:00:00Z", "data": {
            "parcel": "sbp_1", "tracking_number": "SB1", "status": "LOST"}}),
    ],
)  # fmt: skip
def test_a_signed_callback_that_says_nothing_sensible_cannot_be_read(
    carrier: SandboxCarrier, body: bytes
) -> None:
    headers, body = _signed(body)

    # A CallbackRefused would be no ValueError: these are signed.
    with pytest.raises(ValueError, match=r"callback|Status|zone"):
        carrier.read_tracking(headers, body, datetime.now(UTC))


def _callback() -> TrackingCallback:
    now = datetime.now(UTC)
    return TrackingCallback(
        "evt_1", "sbp_1", "SB1", "IN_TRANSIT", "On its way", None, now, None, now, 1, 0, None
    )


def _signed(body: bytes) -> tuple[dict[str, str], bytes]:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("evt_1", now, body.decode()),
    }
    return headers, body
