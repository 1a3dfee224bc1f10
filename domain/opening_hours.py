"""Opening hours: when a store hands out on each day of the week.

Times are local to the store's calendar (`domain.calendars`), whose holidays and closed days it keeps. Its
working days say when goods are got ready, its opening hours when they can be collected: a shop may be open on
a Saturday on which nothing is picked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from domain.calendars import MAX_SEARCH_DAYS, NoWorkingDay, WorkCalendar
from domain.delivery_promises import NO_PROMISE, Promise
from domain.kernel.errors import InvalidInput, under

MAX_SPANS = 28
"""Most times of opening a week: four a day."""

_EVERY_DAY = frozenset(range(1, 8))
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class OpenSpan:
    """A store is open from `opens` until `closes` on a day of the week (1 is Monday), local times."""

    weekday: int
    opens: time
    closes: time


def check_hours(spans: Sequence[OpenSpan], *path: str) -> tuple[OpenSpan, ...]:
    """Return opening hours in their order; raises InvalidInput whose path ends in the field that is wrong."""
    if len(spans) > MAX_SPANS:
        raise InvalidInput(f"names more than {MAX_SPANS}", *path)
    for at, one in enumerate(spans):
        with under(*path, str(at)):
            if one.weekday not in _EVERY_DAY:
                raise InvalidInput("use the numbers 1 (Monday) to 7 (Sunday)", "weekday")
            if one.opens.tzinfo is not None or one.closes.tzinfo is not None:
                raise InvalidInput("is a local time, without an offset", "opens")
            if one.closes <= one.opens:
                raise InvalidInput(
                    "must be later than opens; what is open past midnight closes at 23:59", "closes"
                )
    ordered = tuple(sorted(spans))
    for before, after in pairwise(ordered):
        if before.weekday == after.weekday and after.opens < before.closes:
            raise InvalidInput("names times that overlap", *path)
    return ordered


def ready(calendar: WorkCalendar, hours: Sequence[OpenSpan], now: datetime) -> Promise:
    """Return from when, and at the latest by when, what is ordered `now` can be collected.

    The goods are ready on the day on which the place would send them (today before its cut-off); from then
    on the first day counts on which it is open. Without hours that day itself, from its beginning to its
    end. Moments in UTC; nothing where the place is closed for long.
    """
    try:
        day = calendar.dispatch_day(now)
    except NoWorkingDay:
        return NO_PROMISE
    if not hours:
        return Promise(max(now, calendar.day_begins(day)), calendar.day_ends(day))
    open_days = replace(calendar, working_days=_EVERY_DAY)
    for _ in range(MAX_SEARCH_DAYS):
        spans = [one for one in hours if one.weekday == day.isoweekday()] if open_days.is_working(day) else []
        left = [one for one in spans if _moment(calendar, day, one.closes) > now]
        if left:
            opens = _moment(calendar, day, left[0].opens)
            return Promise(max(now, opens), _moment(calendar, day, left[-1].closes))
        day += _DAY
    return NO_PROMISE


def _moment(calendar: WorkCalendar, day: date, at: time) -> datetime:
    return datetime.combine(day, at, calendar.zone).astimezone(UTC)
