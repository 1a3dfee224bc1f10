"""Working calendars: on which days a place works, and until when what comes in still leaves the same day.

Days are days of the calendar's own time zone, moments are aware datetimes in UTC. Public holidays come from
the `holidays` library.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import holidays as public_holidays

from domain.kernel.errors import InvalidInput

MAX_CLOSURES = 1_000
"""Most days a place may be closed for besides those of its week and its holidays."""

MAX_SEARCH_DAYS = 370
"""How many days ahead a working day is looked for: who is closed for over a year is closed."""

MAX_WORKING_DAYS = 365
"""Most working days that may be added at once."""

MONDAY_TO_FRIDAY = frozenset({1, 2, 3, 4, 5})

_DAY = timedelta(days=1)
_LAST_SECOND = time(23, 59, 59)
_HOLIDAYS = re.compile(r"([A-Z]{2})(?:-(.{1,40}))?", re.DOTALL)


class NoWorkingDay(Exception):
    """The place does not work on any day within reach, so nothing can be promised of it."""


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """When a place works. `check_calendar` says whether it may be kept.

    `time_zone` is an IANA name, `working_days` are ISO weekdays (1 is Monday), `holidays` names a country
    ("DE") or a subdivision of one ("DE-BY") whose public holidays are observed, None: none are. What comes in
    at `cut_off`, local time, or later leaves a working day later; None: there is no cut-off. On `closures` it
    is closed besides.
    """

    time_zone: str = "UTC"
    working_days: frozenset[int] = MONDAY_TO_FRIDAY
    holidays: str | None = None
    cut_off: time | None = None
    closures: frozenset[date] = frozenset()

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone; raises ZoneInfoNotFoundError where this machine does not know it."""
        return ZoneInfo(self.time_zone)

    def local_day(self, moment: datetime) -> date:
        """Return the day it is there at an aware `moment`."""
        return moment.astimezone(self.zone).date()

    def is_working(self, day: date) -> bool:
        """Say whether the place works on a day of its own time zone."""
        if day.isoweekday() not in self.working_days or day in self.closures:
            return False
        return self.holidays is None or day not in _holidays_of(self.holidays, day.year)

    def dispatch_day(self, now: datetime) -> date:
        """Return the day on which what is ordered `now` leaves: today before the cut-off, if it works today.

        Raises NoWorkingDay.
        """
        today = self.local_day(now)
        if self.is_working(today) and not self._is_past_cut_off(today, now):
            return today
        return self._working_day_from(today + _DAY)

    def add_working_days(self, day: date, count: int) -> date:
        """Return the working day that is `count` of them after `day`; 0: the first from `day` on.

        `day` itself need not be one, and is never counted. Raises NoWorkingDay, and ValueError unless count
        is between 0 and MAX_WORKING_DAYS.
        """
        if not 0 <= count <= MAX_WORKING_DAYS:
            raise ValueError(f"between 0 and {MAX_WORKING_DAYS} working days can be added, not {count}")
        if count == 0:
            return self._working_day_from(day)
        for _ in range(count):
            day = self._working_day_from(day + _DAY)
        return day

    def day_begins(self, day: date) -> datetime:
        """Return the moment a day begins there, in UTC."""
        return _moment(day, time(), self.zone)

    def day_ends(self, day: date) -> datetime:
        """Return the last second of a day there, in UTC: the day of that moment is still `day`."""
        # Where a clock is put back at midnight the second comes twice: the later one ends the day.
        return _moment(day, _LAST_SECOND.replace(fold=1), self.zone)

    def cut_off_at(self, day: date) -> datetime | None:
        """Return the moment of the cut-off on a day, in UTC; None where there is none.

        A time that a change of the clock skips is as if the clock had not changed yet, and one that comes
        twice is the first of the two.
        """
        return None if self.cut_off is None else _moment(day, self.cut_off, self.zone)

    def _is_past_cut_off(self, day: date, now: datetime) -> bool:
        cut_off = self.cut_off_at(day)
        return cut_off is not None and now >= cut_off

    def _working_day_from(self, day: date) -> date:
        for _ in range(MAX_SEARCH_DAYS):
            if self.is_working(day):
                return day
            day += _DAY
        raise NoWorkingDay(f"no working day within {MAX_SEARCH_DAYS} days")


def check_calendar(calendar: WorkCalendar, *path: str) -> WorkCalendar:
    """Return a calendar that can be kept; raises InvalidInput whose path ends in the field that is wrong."""
    check_time_zone(calendar.time_zone, *path, "timeZone")
    if not calendar.working_days:
        raise InvalidInput("name at least one day of the week", *path, "workingDays")
    if not calendar.working_days <= frozenset(range(1, 8)):
        raise InvalidInput("use the numbers 1 (Monday) to 7 (Sunday)", *path, "workingDays")
    if calendar.holidays is not None:
        check_holidays(calendar.holidays, *path, "holidays")
    if calendar.cut_off is not None and calendar.cut_off.tzinfo is not None:
        raise InvalidInput("is a local time, without an offset", *path, "cutOff")
    if len(calendar.closures) > MAX_CLOSURES:
        raise InvalidInput(f"at most {MAX_CLOSURES} days", *path, "closures")
    return calendar


def check_time_zone(name: str, *path: str) -> str:
    """Return the name if it is an IANA time zone this machine knows; raises InvalidInput naming `path`."""
    if name not in _time_zones():
        raise InvalidInput("is not an IANA time zone, such as Europe/Berlin", *path)
    return name


def check_holidays(code: str, *path: str) -> str:
    """Return the code if holidays are known under it; raises InvalidInput naming `path`."""
    found = _HOLIDAYS.fullmatch(code)
    subdivisions = None if found is None else _supported_countries().get(found[1])
    if found is None or subdivisions is None:
        raise InvalidInput("is not a country whose holidays are known, such as DE or DE-BY", *path)
    if found[2] is not None and found[2] not in subdivisions:
        raise InvalidInput(f"{found[2]!r} is not a part of {found[1]} with holidays of its own", *path)
    return code


def holidays_code(country: str, region: str | None = None) -> str | None:
    """Return the code of a place's public holidays, as near as they are known; None where they are not.

    `region` is the part of the country behind the hyphen of ISO 3166-2.
    """
    subdivisions = _supported_countries().get(country)
    if subdivisions is None:
        return None
    return f"{country}-{region}" if region in subdivisions else country


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


# Codes are checked before they are kept; a year of one is a few hundred bytes.
@lru_cache(maxsize=2048)
def _holidays_of(code: str, year: int) -> frozenset[date]:
    country, _, subdivision = code.partition("-")
    return frozenset(public_holidays.country_holidays(country, subdiv=subdivision or None, years=year))


@lru_cache(maxsize=1)
def _supported_countries() -> dict[str, list[str]]:
    return public_holidays.list_supported_countries()


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    # "Factory" is what a machine says that was told no zone, "localtime" is whatever this one is set to.
    return frozenset(available_timezones()) - {"Factory", "localtime"}
