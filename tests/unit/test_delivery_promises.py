"""Delivery promises: what leaves by the shipper's calendar and travels by the recipient's."""

from datetime import UTC, date, datetime, time
from uuid import UUID

import pytest

from domain.addresses import Address
from domain.calendars import WorkCalendar
from domain.delivery_promises import NO_PROMISE, Promise, promise, promise_of_facts
from domain.destinations import calendar_of
from domain.shipping import DeliveryRate

BERLIN = WorkCalendar("Europe/Berlin", cut_off=time(14), holidays="DE-BE")
THURSDAY_MORNING = datetime(2026, 12, 3, 9, tzinfo=UTC)
THURSDAY_EVENING = datetime(2026, 12, 3, 18, tzinfo=UTC)


def rate(least: int | None = 1, most: int | None = 2, handling: int = 0) -> DeliveryRate:
    return DeliveryRate(
        UUID(int=1), "Post", "Parcel", 499, min_days=least, max_days=most, handling_days=handling
    )


def to(country: str, region: str | None = None) -> Address:
    return Address("Ada", "Street 1", "Town", country, region=region)


def days(told: Promise, address: Address) -> tuple[date | None, date | None]:
    """Return the days promised, as they are called where it arrives."""
    there = calendar_of(address)
    moments = (told.earliest, told.latest)
    first, last = (None if moment is None else there.local_day(moment) for moment in moments)
    return first, last


def test_what_is_ordered_before_the_cut_off_travels_from_today() -> None:
    told = promise(rate(), [BERLIN], to("DE"), THURSDAY_MORNING)
    assert days(told, to("DE")) == (date(2026, 12, 4), date(2026, 12, 7))


def test_a_promise_is_from_the_first_moment_of_a_day_to_the_last_second_of_another() -> None:
    told = promise(rate(), [BERLIN], to("DE"), THURSDAY_MORNING)
    assert told.earliest == datetime(2026, 12, 3, 23, tzinfo=UTC)
    assert told.latest == datetime(2026, 12, 7, 22, 59, 59, tzinfo=UTC)


def test_what_is_ordered_after_the_cut_off_arrives_a_working_day_later() -> None:
    told = promise(rate(), [BERLIN], to("DE"), THURSDAY_EVENING)
    assert days(told, to("DE")) == (date(2026, 12, 7), date(2026, 12, 8))


def test_holidays_count_where_it_goes_and_not_only_where_it_comes_from() -> None:
    before_thanksgiving = datetime(2026, 11, 25, 9, tzinfo=UTC)
    told = promise(rate(1, 1), [BERLIN], to("US", "NY"), before_thanksgiving)
    assert days(told, to("US", "NY"))[1] == date(2026, 11, 27)
    assert days(promise(rate(1, 1), [BERLIN], to("DE"), before_thanksgiving), to("DE"))[1] == date(
        2026, 11, 26
    )


def test_christmas_holds_a_parcel_up_at_both_ends() -> None:
    eve = datetime(2026, 12, 24, 9, tzinfo=UTC)
    told = promise(rate(1, 2), [BERLIN], to("DE"), eve)
    assert days(told, to("DE")) == (date(2026, 12, 28), date(2026, 12, 29))


def test_the_day_a_clock_is_put_back_is_promised_to_its_last_second() -> None:
    every_day = WorkCalendar("Europe/Berlin", frozenset(range(1, 8)))
    saturday = datetime(2026, 10, 24, 9, tzinfo=UTC)
    told = promise(rate(1, 1), [every_day], to("DE"), saturday)
    # Sunday is none in Germany: the promise is for the Monday after the change, in winter time.
    assert told.latest == datetime(2026, 10, 26, 22, 59, 59, tzinfo=UTC)


def test_of_two_places_the_quicker_says_the_earliest_and_the_slower_the_latest() -> None:
    slow = WorkCalendar("Europe/Berlin", frozenset({2}))
    told = promise(rate(1, 1), [BERLIN, slow], to("DE"), THURSDAY_MORNING)
    assert days(told, to("DE")) == (date(2026, 12, 4), date(2026, 12, 9))


def test_a_place_that_is_closed_for_long_promises_no_end() -> None:
    closed = WorkCalendar(working_days=frozenset())
    told = promise(rate(), [BERLIN, closed], to("DE"), THURSDAY_MORNING)
    assert told.earliest is not None
    assert told.latest is None
    assert promise(rate(), [closed], to("DE"), THURSDAY_MORNING) == NO_PROMISE


def test_days_of_handling_come_before_it_leaves() -> None:
    told = promise(rate(1, 1, handling=2), [BERLIN], to("DE"), THURSDAY_MORNING)
    assert days(told, to("DE"))[0] == date(2026, 12, 8)


def test_a_rate_without_days_promises_nothing() -> None:
    assert promise(rate(None, None), [BERLIN], to("DE"), THURSDAY_MORNING) == NO_PROMISE


def test_without_an_address_the_days_are_those_of_the_shipper() -> None:
    told = promise(rate(1, 1), [BERLIN], None, THURSDAY_MORNING)
    assert told.latest == BERLIN.day_ends(date(2026, 12, 4))


def test_an_order_keeps_enough_of_a_promise_to_know_it_again() -> None:
    told = promise(rate(1, None), [BERLIN], to("DE"), THURSDAY_MORNING)
    assert promise_of_facts(told.facts()) == told
    assert promise_of_facts({}) == NO_PROMISE


@pytest.mark.parametrize(
    ("country", "region", "zone", "working"),
    [
        ("DE", None, "Europe/Berlin", {1, 2, 3, 4, 5}),
        ("JP", None, "Asia/Tokyo", {1, 2, 3, 4, 5}),
        ("US", "CA", "America/Los_Angeles", {1, 2, 3, 4, 5}),
        ("US", "Texas", "America/Chicago", {1, 2, 3, 4, 5}),
        ("US", None, "America/New_York", {1, 2, 3, 4, 5}),
        ("CA", "NL", "America/St_Johns", {1, 2, 3, 4, 5}),
        ("AU", "WA", "Australia/Perth", {1, 2, 3, 4, 5}),
        ("KW", None, "Asia/Kuwait", {1, 2, 3, 4, 7}),
    ],
)
def test_a_place_has_the_clock_and_the_week_of_its_region(
    country: str, region: str | None, zone: str, working: set[int]
) -> None:
    found = calendar_of(to(country, region))
    assert (found.time_zone, set(found.working_days)) == (zone, working)


def test_every_country_has_a_calendar_that_can_be_used() -> None:
    from_codes = [a + b for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    for country in from_codes:
        found = calendar_of(to(country))
        assert found.add_working_days(date(2026, 12, 3), 1) > date(2026, 12, 3)
        assert found.day_ends(date(2026, 12, 3)).tzinfo is UTC
