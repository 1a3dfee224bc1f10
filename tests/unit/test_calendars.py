"""Working calendars: weekends, holidays, closures, cut-offs, and days on which the clock is changed."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from domain.calendars import (
    MAX_CLOSURES,
    MAX_WORKING_DAYS,
    NoWorkingDay,
    WorkCalendar,
    check_calendar,
    holidays_code,
)
from domain.kernel.errors import InvalidInput

BERLIN = WorkCalendar("Europe/Berlin", cut_off=time(14), holidays="DE-BY")
THURSDAY, FRIDAY, SATURDAY, MONDAY = (
    date(2026, 12, 3),
    date(2026, 12, 4),
    date(2026, 12, 5),
    date(2026, 12, 7),
)


def berlin(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=BERLIN.zone)


def test_what_is_ordered_before_the_cut_off_leaves_today() -> None:
    assert BERLIN.dispatch_day(berlin(THURSDAY, 13, 59, 59)) == THURSDAY


def test_what_is_ordered_at_the_cut_off_leaves_tomorrow() -> None:
    assert BERLIN.dispatch_day(berlin(THURSDAY, 14)) == FRIDAY


def test_what_is_ordered_late_on_friday_leaves_on_monday() -> None:
    assert BERLIN.dispatch_day(berlin(FRIDAY, 15)) == MONDAY


def test_without_a_cut_off_everything_leaves_on_the_working_day_it_is_ordered() -> None:
    assert WorkCalendar("Europe/Berlin").dispatch_day(berlin(FRIDAY, 23, 59)) == FRIDAY


def test_the_day_is_the_one_at_the_place_and_not_in_utc() -> None:
    late_evening_in_utc = datetime(2026, 12, 3, 23, 30, tzinfo=UTC)
    assert BERLIN.dispatch_day(late_evening_in_utc) == FRIDAY
    assert WorkCalendar("America/New_York").dispatch_day(late_evening_in_utc) == THURSDAY


def test_a_moment_may_come_in_any_offset() -> None:
    tokyo_time = datetime(2026, 12, 3, 21, 59, tzinfo=timezone(timedelta(hours=9)))
    assert BERLIN.dispatch_day(tokyo_time) == THURSDAY
    assert BERLIN.dispatch_day(tokyo_time + timedelta(minutes=1)) == FRIDAY


def test_a_holiday_of_the_region_is_no_working_day() -> None:
    epiphany = date(2026, 1, 6)
    assert not BERLIN.is_working(epiphany)
    assert WorkCalendar("Europe/Berlin", holidays="DE-BE").is_working(epiphany)


def test_a_closure_is_no_working_day() -> None:
    closed = WorkCalendar("Europe/Berlin", closures=frozenset({FRIDAY, MONDAY}))
    assert closed.dispatch_day(berlin(FRIDAY, 9)) == date(2026, 12, 8)


def test_a_place_may_work_on_saturdays() -> None:
    assert WorkCalendar(working_days=frozenset({6})).add_working_days(FRIDAY, 1) == SATURDAY


def test_christmas_is_passed_over() -> None:
    eve = date(2026, 12, 24)  # a Thursday: Friday and Saturday are holidays, then a weekend
    assert BERLIN.add_working_days(eve, 1) == date(2026, 12, 28)


@pytest.mark.parametrize(
    ("day", "count", "reached"),
    [
        (THURSDAY, 0, THURSDAY),
        (SATURDAY, 0, MONDAY),
        (SATURDAY, 1, MONDAY),
        (FRIDAY, 1, MONDAY),
        (THURSDAY, 2, MONDAY),
        (THURSDAY, 7, date(2026, 12, 14)),
    ],
)
def test_working_days_are_counted_after_the_day(day: date, count: int, reached: date) -> None:
    assert BERLIN.add_working_days(day, count) == reached


@pytest.mark.parametrize("count", [-1, MAX_WORKING_DAYS + 1])
def test_only_a_bounded_number_of_working_days_is_added(count: int) -> None:
    with pytest.raises(ValueError, match="working days can be added"):
        BERLIN.add_working_days(THURSDAY, count)


def test_a_cut_off_that_the_clock_skips_is_taken_as_if_it_had_not_changed() -> None:
    night = WorkCalendar("Europe/Berlin", frozenset(range(1, 8)), cut_off=time(2, 30))
    changed = date(2026, 3, 29)  # 02:00 becomes 03:00
    assert night.cut_off_at(changed) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert night.dispatch_day(datetime(2026, 3, 29, 1, 29, tzinfo=UTC)) == changed
    assert night.dispatch_day(datetime(2026, 3, 29, 1, 30, tzinfo=UTC)) == date(2026, 3, 30)


def test_a_cut_off_that_comes_twice_is_the_first() -> None:
    night = WorkCalendar("Europe/Berlin", frozenset(range(1, 8)), cut_off=time(2, 30))
    changed = date(2026, 10, 25)  # 03:00 becomes 02:00
    assert night.dispatch_day(datetime(2026, 10, 25, 0, 29, tzinfo=UTC)) == changed
    # 02:30 has been, though the clock shows 02:10 again.
    assert night.dispatch_day(datetime(2026, 10, 25, 1, 10, tzinfo=UTC)) == date(2026, 10, 26)


def test_a_day_of_changed_clocks_has_23_or_25_hours() -> None:
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (THURSDAY, 24)):
        length = BERLIN.day_ends(day) - BERLIN.day_begins(day)
        assert length == timedelta(hours=hours) - timedelta(seconds=1)


def test_a_day_whose_midnight_comes_twice_ends_at_the_later_one() -> None:
    santiago = WorkCalendar("America/Santiago")
    changed = date(2026, 4, 4)  # 24:00 becomes 23:00
    assert santiago.day_ends(changed) - santiago.day_begins(changed) == timedelta(hours=25, seconds=-1)


def test_who_is_closed_for_over_a_year_promises_nothing() -> None:
    year = frozenset(THURSDAY + timedelta(days=n) for n in range(400))
    with pytest.raises(NoWorkingDay):
        WorkCalendar(closures=year).dispatch_day(berlin(THURSDAY, 9))
    with pytest.raises(NoWorkingDay):
        WorkCalendar(working_days=frozenset()).add_working_days(THURSDAY, 1)


@pytest.mark.parametrize(
    ("calendar", "field"),
    [
        (WorkCalendar("Europe/Nowhere"), "timeZone"),
        (WorkCalendar("../../etc/passwd"), "timeZone"),
        (WorkCalendar("localtime"), "timeZone"),
        (WorkCalendar(""), "timeZone"),
        (WorkCalendar(working_days=frozenset()), "workingDays"),
        (WorkCalendar(working_days=frozenset({0, 1})), "workingDays"),
        (WorkCalendar(holidays="XX"), "holidays"),
        (WorkCalendar(holidays="DEU"), "holidays"),
        (WorkCalendar(holidays="DE-XX"), "holidays"),
        (WorkCalendar(holidays="DE-"), "holidays"),
        (WorkCalendar(cut_off=time(14, tzinfo=UTC)), "cutOff"),
        (
            WorkCalendar(closures=frozenset(FRIDAY + timedelta(days=n) for n in range(MAX_CLOSURES + 1))),
            "closures",
        ),
    ],
)
def test_a_calendar_that_cannot_be_kept_names_its_field(calendar: WorkCalendar, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_calendar(calendar, "calendar")
    assert refused.value.path == ("calendar", field)


def test_a_calendar_that_can_be_kept_is_returned() -> None:
    assert check_calendar(BERLIN) is BERLIN


@pytest.mark.parametrize(
    ("country", "region", "code"),
    [("DE", "BY", "DE-BY"), ("DE", None, "DE"), ("DE", "Bayern", "DE"), ("XX", None, None)],
)
def test_holidays_are_as_near_as_they_are_known(country: str, region: str | None, code: str | None) -> None:
    assert holidays_code(country, region) == code
