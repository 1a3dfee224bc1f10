"""What may be asked of a parcel's label, and what an answer makes of the parcel."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain import labels as decide
from domain.carrier_ports import CustomsLine, Label, LabelFormat
from domain.kernel.errors import IllegalTransition, LabelRefused
from domain.kernel.money import Money
from domain.labels import Correction, LabelAsk
from domain.shipments import LabelState, ParcelSize, Shipment, ShipmentStatus
from tests.parcels import RECIPIENT, SENDER

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PARCEL = Shipment(
    UUID(int=1), UUID(int=2), ShipmentStatus.LABEL_PENDING, "Post", "Express", None, None, None, None,
    provider="sandbox", label_state=LabelState.FAILED,
)  # fmt: skip
MUG = CustomsLine("MUG", "Mug", 2, Money(1250, "EUR"), 300)
ASK = LabelAsk(
    PARCEL.id, PARCEL.order_id, "100001", 3, 1, NOW, "sandbox", LabelState.REQUESTED, False, None,
    "EXPRESS", SENDER, RECIPIENT, ParcelSize(), (MUG, replace(MUG, quantity=1)),
)  # fmt: skip


def test_a_refused_label_is_asked_for_again_as_corrected() -> None:
    asked = decide.requested(PARCEL, Correction(provider="other", service="Slow", size=ParcelSize(5)))

    assert asked.label_state is LabelState.REQUESTED
    assert (asked.provider, asked.service, asked.size, asked.carrier) == (
        "other", "Slow", ParcelSize(5), "Post",
    )  # fmt: skip
    assert asked.version == PARCEL.version + 1


def test_one_that_is_being_bought_is_left_alone_but_not_corrected() -> None:
    waiting = replace(PARCEL, label_state=LabelState.REQUESTED)

    assert decide.requested(waiting, Correction()) is waiting
    with pytest.raises(IllegalTransition):
        decide.requested(waiting, Correction(service="Slow"))


@pytest.mark.parametrize("status", sorted(set(ShipmentStatus) - {ShipmentStatus.LABEL_PENDING}))
def test_only_a_parcel_that_waits_for_its_label_gets_one(status: ShipmentStatus) -> None:
    with pytest.raises(IllegalTransition):
        decide.requested(replace(PARCEL, status=status), Correction())


def test_one_that_has_its_label_is_left_alone_unless_it_is_canceled_or_to_be_corrected() -> None:
    bought = replace(PARCEL, label_state=LabelState.PURCHASED, status=ShipmentStatus.LABEL_CREATED)

    assert decide.requested(bought, Correction()) is bought
    with pytest.raises(IllegalTransition):
        decide.requested(bought, Correction(service="Slow"))
    with pytest.raises(IllegalTransition):
        decide.requested(replace(bought, status=ShipmentStatus.CANCELED), Correction())


def test_without_a_carrier_nobody_is_asked() -> None:
    with pytest.raises(IllegalTransition):
        decide.requested(replace(PARCEL, provider=None), Correction())


def test_a_label_makes_a_parcel_ready_but_brings_no_canceled_one_back() -> None:
    label = Label("ref", "N1", b"", LabelFormat.PDF, estimated_at=NOW)
    waiting = replace(PARCEL, label_state=LabelState.REQUESTED)

    ready = decide.purchased(waiting, label)
    canceled = decide.purchased(replace(waiting, status=ShipmentStatus.CANCELED), label)

    assert (ready.status, ready.label_state) == (ShipmentStatus.LABEL_CREATED, LabelState.PURCHASED)
    assert (ready.tracking_number, ready.provider_reference, ready.estimated_at) == ("N1", "ref", NOW)
    assert (canceled.status, canceled.label_state) == (ShipmentStatus.CANCELED, LabelState.PURCHASED)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "", "https://carrier.example/" + "x" * 3000])
def test_where_a_carrier_sends_customers_is_left_out_unless_they_may_follow_it(url: str) -> None:
    good = Label("ref", "N1", b"", LabelFormat.PDF, tracking_url="https://carrier.example/N1")

    assert decide.purchased(PARCEL, good).tracking_url == "https://carrier.example/N1"
    assert decide.purchased(PARCEL, replace(good, tracking_url=url)).tracking_url is None


def test_a_request_weighs_what_is_in_the_parcel_where_nobody_weighed_it() -> None:
    assert ASK.key == f"{PARCEL.id}-3"
    assert ASK.request().parcel.weight_grams == 900
    assert replace(ASK, size=ParcelSize(1_000)).request().parcel.weight_grams == 1_000
    unknown = replace(ASK, contents=(MUG, replace(MUG, weight_grams=None)))
    assert unknown.request().parcel.weight_grams is None


def test_what_we_do_not_know_is_not_asked_for() -> None:
    for ask, code in (
        (replace(ASK, sender=None), "sender_address_missing"),
        (replace(ASK, service_code=None), "service_missing"),
    ):
        with pytest.raises(LabelRefused) as refused:
            ask.request()
        assert refused.value.refusal == code


def test_who_gives_no_answer_is_asked_less_and_less_often_but_within_a_quarter_minute() -> None:
    pauses = [decide.pause_after(attempts) for attempts in range(1, 200)]

    assert pauses[0] == timedelta(seconds=0.5)
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(seconds=15)
