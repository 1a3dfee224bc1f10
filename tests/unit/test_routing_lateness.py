"""Lateness: days later than promised, by the calendars of who sends and who receives."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest

from domain.addresses import Address
from domain.calendars import WorkCalendar
from domain.delivery_promises import promise
from domain.routing_lateness import MAX_LATE_DAYS, Promised, days_late, promised_of
from domain.shipping import DeliveryRate

FRIDAY = datetime(2031, 5, 9, 12, tzinfo=UTC)
LONDON = Address("Ada", "1 High St", "London", "GB", postal_code="SW1Y 4LE")
RATE = DeliveryRate(UUID(int=1), "Post", "Standard", 500, min_days=1, max_days=2, handling_days=1)
WEEK = WorkCalendar("Europe/London")


def told(now: datetime = FRIDAY, *origins: WorkCalendar) -> Promised:
    made = promise(RATE, origins or (WEEK,), LONDON, now)
    found = promised_of(RATE.facts() | made.facts(), LONDON)
    assert found is not None
    return found


def test_whoever_the_promise_was_given_of_keeps_it() -> None:
    assert days_late(WEEK, FRIDAY, told()) == 0


def test_a_place_that_leaves_after_the_weekend_is_late_by_whole_days_of_the_customer() -> None:
    past_cut_off = replace(WEEK, cut_off=time(9))
    # Promised: Friday, handled until Monday, there on Wednesday. From here: Monday, Tuesday, Thursday.
    assert days_late(past_cut_off, FRIDAY, told()) == 1


def test_a_slow_place_is_not_late_for_a_promise_that_was_given_of_a_slower_one() -> None:
    closed = replace(WEEK, closures=frozenset((FRIDAY + timedelta(days=n)).date() for n in range(7)))
    assert days_late(replace(WEEK, cut_off=time(9)), FRIDAY, told(FRIDAY, closed)) == 0


def test_each_day_that_an_order_has_waited_since_counts() -> None:
    assert days_late(WEEK, FRIDAY + timedelta(days=5), told()) == 5


def test_without_a_promise_the_days_until_it_leaves_count() -> None:
    assert days_late(WEEK, FRIDAY, None) == 0
    assert days_late(replace(WEEK, cut_off=time(9)), FRIDAY, None) == 3


def test_a_place_that_never_works_is_as_late_as_can_be() -> None:
    never = replace(WEEK, working_days=frozenset())
    assert days_late(never, FRIDAY, None) == days_late(never, FRIDAY, told()) == MAX_LATE_DAYS


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {},
        {"pickup": "store"},
        RATE.facts(),
        replace(RATE, max_days=None).facts() | {"latest": "2031-05-14"},
    ],
)
def test_where_no_date_or_no_time_on_the_way_is_kept_nothing_was_promised(
    facts: dict[str, str] | None,
) -> None:
    assert promised_of(facts, LONDON) is None
