"""Notifications: what events tell a customer, and when a message is tried again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from domain import notifications as decide
from domain.notifications import GIVE_UP_AFTER, Notification, NotificationKind, NotificationState, news_of

NOW = datetime(2026, 3, 4, 23, 59, tzinfo=UTC)
K, S = NotificationKind, NotificationState
PARCEL = "0198c0de-0000-7000-8000-000000000001"


def waiting(**changes: object) -> Notification:
    made = Notification(
        uuid4(), uuid4(), K.SHIPPED, PARCEL, "a@b.example", "en", S.PENDING, NOW, NOW, NOW, {}, attempts=1
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "payload", "told", "key"),
    [
        ("OrderPlaced", {"status": "OPEN"}, K.ORDER_CONFIRMED, ""),
        ("OrderPlaced", {"status": "PENDING_APPROVAL"}, K.ORDER_RECEIVED, ""),
        ("OrderExpired", {}, K.ORDER_CANCELED, ""),
        ("OrderRejected", {}, K.ORDER_CANCELED, ""),
        ("PaymentRefunded", {"amountMinor": 5, "currency": "EUR"}, K.ORDER_REFUNDED, "7"),
        ("ShipmentShipped", {"shipmentId": PARCEL}, K.SHIPPED, PARCEL),
        ("ShipmentDelayed", {"shipmentId": PARCEL}, K.DELAYED, f"{PARCEL}:2026-03-04"),
    ],
)
def test_an_event_tells_one_thing(
    kind: str, payload: dict[str, object], told: NotificationKind, key: str
) -> None:
    news = news_of(kind, payload, 7, NOW)

    assert news is not None
    assert (news.kind, news.subject_key) == (told, key)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("OrderPlaced", {"status": "OPEN", "imported": True}),
        ("ShipmentShipped", {"shipmentId": PARCEL, "notifyCustomer": False}),
        ("OrderEdited", {}),
        ("NotificationFailed", {}),
        ("ShipmentShipped", {}),
        ("ShipmentLabelPurchased", {"shipmentId": PARCEL}),
        ("PaymentRefunded", {}),
    ],
)
def test_what_is_not_for_the_customer_is_not_told(kind: str, payload: dict[str, object]) -> None:
    assert news_of(kind, payload, 7, NOW) is None


def test_pauses_double_up_to_an_hour() -> None:
    pauses = [decide.pause_after(attempts).total_seconds() for attempts in (1, 2, 3, 8, 9, 10, 10_000)]
    assert pauses == [15, 30, 60, 1920, 3600, 3600, 3600]


def test_a_message_is_given_up_only_after_all_its_time() -> None:
    before, after = NOW + GIVE_UP_AFTER - timedelta(seconds=1), NOW + GIVE_UP_AFTER

    assert decide.put_off(waiting(), "busy", before).state is S.PENDING
    failed = decide.put_off(waiting(), "busy", after)
    assert (failed.state, failed.reason, failed.ended_at) == (S.FAILED, "busy", after)


def test_sent_anew_it_has_all_its_time_again_and_is_another_message() -> None:
    failed = decide.failed(waiting(attempts=9, repeats=1), "no", NOW)
    again = decide.resent(failed, "c@d.example", NOW + timedelta(days=9))

    assert again.message_name != failed.message_name
    assert (again.state, again.attempts, again.repeats, again.reason) == (S.PENDING, 0, 0, None)
    assert decide.put_off(replace(again, attempts=1), "busy", NOW + timedelta(days=10)).state is S.PENDING
