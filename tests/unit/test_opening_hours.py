"""When what is ordered can be collected: ready as the calendar says, handed out as the store is open."""

from datetime import UTC, date, datetime, time

import pytest

from domain.calendars import WorkCalendar
from domain.delivery_promises import NO_PROMISE
from domain.kernel.errors import InvalidInput
from domain.opening_hours import OpenSpan, check_hours, ready

BERLIN = WorkCalendar("Europe/Berlin", cut_off=time(12))
FRIDAY, SATURDAY, MONDAY = 5, 6, 1


def span(weekday: int, opens: int, closes: int) -> OpenSpan:
    return OpenSpan(weekday, time(opens), time(closes))


HOURS = (span(MONDAY, 9, 18), span(FRIDAY, 10, 13), span(FRIDAY, 14, 19), span(SATURDAY, 10, 16))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a moment of May 2026 in UTC, two hours before Berlin's; the first is a Friday."""
    return datetime(2026, 5, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        # Friday 8 May: before it opens, while it is open, and in the break at noon.
        (at(8, 6), at(8, 8), at(8, 17)),
        (at(8, 9), at(8, 9), at(8, 17)),
        # After the cut-off it is got ready on Monday, though the store is open on Saturday.
        (at(8, 10), at(11, 7), at(11, 16)),
        # On Saturday nobody picks.
        (at(9, 9), at(11, 7), at(11, 16)),
        # On Tuesday it is ready, but the store opens on Friday.
        (at(12, 9), at(15, 8), at(15, 17)),
    ],
)
def test_it_is_collected_from_the_first_opening_after_it_is_ready(
    now: datetime, first: datetime, last: datetime
) -> None:
    told = ready(BERLIN, HOURS, now)
    assert (told.earliest, told.latest) == (first, last)


def test_holidays_and_closed_days_are_not_open(  # 1 May is a holiday in Germany
) -> None:
    closed = WorkCalendar("Europe/Berlin", holidays="DE", closures=frozenset({date(2026, 5, 2)}))
    told = ready(closed, HOURS, datetime(2026, 4, 30, 9, tzinfo=UTC))
    assert (told.earliest, told.latest) == (at(4, 7), at(4, 16))


def test_a_store_that_picks_late_still_hands_out_in_a_break_and_not_after_closing() -> None:
    late = WorkCalendar("Europe/Berlin")
    assert ready(late, HOURS, at(8, 11, 30)).earliest == at(8, 12)
    assert ready(late, HOURS, at(8, 17)).earliest == at(9, 8)


def test_without_hours_a_working_day_counts_from_its_beginning_to_its_end() -> None:
    told = ready(BERLIN, (), at(8, 9))
    assert (told.earliest, told.latest) == (at(8, 9), datetime(2026, 5, 8, 21, 59, 59, tzinfo=UTC))
    never = WorkCalendar(working_days=frozenset())
    assert ready(never, HOURS, at(8, 9)) == NO_PROMISE


@pytest.mark.parametrize(
    ("spans", "path"),
    [
        ([span(0, 9, 10)], ("openingHours", "0", "weekday")),
        ([span(1, 9, 10), span(1, 10, 10)], ("openingHours", "1", "closes")),
        ([OpenSpan(1, time(9, tzinfo=UTC), time(10))], ("openingHours", "0", "opens")),
        ([span(1, 12, 14), span(1, 9, 13)], ("openingHours",)),
        ([span(1, 1, 2)] * 29, ("openingHours",)),
    ],
)
def test_hours_that_cannot_be_are_refused(spans: list[OpenSpan], path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_hours(spans, "openingHours")
    assert refused.value.path == path
    assert check_hours([span(2, 9, 10), span(1, 9, 10)]) == (span(1, 9, 10), span(2, 9, 10))
