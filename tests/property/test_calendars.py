"""Whatever the calendar: a parcel leaves on the first working day there is, never before it was ordered."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendars import WorkCalendar

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Santiago",
    "Africa/Cairo",
)
CALENDARS = st.builds(
    WorkCalendar,
    time_zone=st.sampled_from(ZONES),
    working_days=st.frozensets(st.integers(1, 7), min_size=1),
    holidays=st.sampled_from((None, "DE", "DE-BY", "US", "JP", "EG")),
    cut_off=st.none() | st.times(),
    closures=st.frozensets(st.dates(date(2026, 1, 1), date(2027, 1, 1)), max_size=20),
)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=427)).map(
    lambda after: datetime(2025, 12, 1, tzinfo=UTC) + after
)
DAYS = st.dates(date(2025, 12, 1), date(2027, 2, 1))


def between(first: date, last: date) -> list[date]:
    """Return the days after `first` and before `last`."""
    return [first + timedelta(days=n) for n in range(1, (last - first).days)]


@settings(max_examples=300)
@given(CALENDARS, MOMENTS)
def test_a_parcel_leaves_on_the_first_working_day_whose_cut_off_is_still_to_come(
    calendar: WorkCalendar, now: datetime
) -> None:
    today, leaves = calendar.local_day(now), calendar.dispatch_day(now)
    assert calendar.is_working(leaves)
    assert not any(calendar.is_working(day) for day in between(today, leaves))
    cut_off = calendar.cut_off_at(leaves)
    if leaves == today:
        assert cut_off is None or now < cut_off
    else:
        missed = calendar.cut_off_at(today)
        assert not calendar.is_working(today) or (missed is not None and now >= missed)


@settings(max_examples=200)
@given(CALENDARS, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=9)))
def test_who_orders_later_is_never_served_earlier(
    calendar: WorkCalendar, now: datetime, later: timedelta
) -> None:
    assert calendar.dispatch_day(now + later) >= calendar.dispatch_day(now)


@settings(max_examples=200)
@given(CALENDARS, DAYS, st.integers(0, 15))
def test_so_many_working_days_lie_on_the_way(calendar: WorkCalendar, day: date, count: int) -> None:
    reached = calendar.add_working_days(day, count)
    assert calendar.is_working(reached)
    passed = [one for one in between(day, reached) if calendar.is_working(one)]
    assert len(passed) == max(0, count - 1)


@settings(max_examples=200)
@given(CALENDARS, DAYS)
def test_days_follow_each_other_without_a_gap(calendar: WorkCalendar, day: date) -> None:
    begins, ends = calendar.day_begins(day), calendar.day_ends(day)
    assert calendar.local_day(begins) == calendar.local_day(ends) == day
    assert ends + timedelta(seconds=1) == calendar.day_begins(day + timedelta(days=1))
    assert timedelta(hours=22) < ends - begins < timedelta(hours=26)
