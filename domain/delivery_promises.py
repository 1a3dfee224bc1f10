"""Delivery promises: when what is ordered now arrives.

What is ordered leaves on a working day of the place that ships it (before its cut-off: today), and takes so
many working days of the place it goes to. A promise is of days: it begins when the first of them does there,
and ends with the last. Where several places ship a part each, the quickest says the earliest, the slowest the
latest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from domain.addresses import Address
from domain.calendars import NoWorkingDay, WorkCalendar
from domain.destinations import calendar_of
from domain.shipping import DeliveryRate


@dataclass(frozen=True, slots=True)
class Promise:
    """When goods arrive: moments in UTC; None where the rate names no days, or a place is closed for long."""

    earliest: datetime | None = None
    latest: datetime | None = None

    def facts(self) -> dict[str, str]:
        """Return what an order keeps of it."""
        named = {"earliest": self.earliest, "latest": self.latest}
        return {name: moment.isoformat() for name, moment in named.items() if moment is not None}


NO_PROMISE = Promise()


def promise_of_facts(kept: Mapping[str, Any]) -> Promise:
    """Return the promise that an order or a payment keeps the facts of."""
    earliest, latest = kept.get("earliest"), kept.get("latest")
    return Promise(
        None if earliest is None else datetime.fromisoformat(earliest),
        None if latest is None else datetime.fromisoformat(latest),
    )


def promise(
    rate: DeliveryRate, origins: Sequence[WorkCalendar], address: Address | None, now: datetime
) -> Promise:
    """Return what can be promised of a rate; `origins` are the calendars of the places that would ship.

    Without one, goods leave on the day they are ordered, unless that is a weekend. Without an address the
    days on the way are those of the first place that ships.
    """
    places = origins or (WorkCalendar(),)
    there = places[0] if address is None else calendar_of(address)
    leave = [_dispatch_day(place, rate.handling_days, now) for place in places]
    first = _arrival(min((day for day in leave if day is not None), default=None), rate.min_days, there)
    last = None if None in leave else _arrival(max(_days(leave)), rate.max_days, there)
    return Promise(
        None if first is None else there.day_begins(first), None if last is None else there.day_ends(last)
    )


def _dispatch_day(place: WorkCalendar, handling_days: int, now: datetime) -> date | None:
    try:
        day = place.dispatch_day(now)
        return place.add_working_days(day, handling_days) if handling_days else day
    except NoWorkingDay:
        return None


def _arrival(leaves: date | None, days: int | None, there: WorkCalendar) -> date | None:
    if leaves is None or days is None:
        return None
    try:
        return there.add_working_days(leaves, days)
    except NoWorkingDay:
        return None


def _days(leave: Iterable[date | None]) -> list[date]:
    return [day for day in leave if day is not None]
