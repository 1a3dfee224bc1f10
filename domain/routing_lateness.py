"""How late an order would come from a location, against what its customer was promised.

Goods leave on a working day of the location (before its cut-off: today), stay as many of its working days as
the way of delivery says, and are on the way for as many of the customer's. Where nothing was promised,
what counts is when they leave.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.addresses import Address
from domain.calendars import NoWorkingDay, WorkCalendar
from domain.delivery_promises import promise_of_facts
from domain.destinations import calendar_of
from domain.shipping import rate_of_facts

MAX_LATE_DAYS = 370
"""Days a location counts as late that has no working day within reach."""


@dataclass(frozen=True, slots=True)
class Promised:
    """What a customer was promised, and how long the way they chose takes at most."""

    latest: datetime
    transit_days: int
    handling_days: int
    there: WorkCalendar
    """The days on which parcels are brought to them."""


def promised_of(delivery: Mapping[str, Any] | None, address: Address) -> Promised | None:
    """Return what was promised of a delivery, by the facts that an order or a checkout keeps of it.

    None where no date was, or it is not kept how long the way takes.
    """
    if not delivery or "rateId" not in delivery:
        return None
    latest, rate = promise_of_facts(delivery).latest, rate_of_facts(delivery)
    if latest is None or rate.max_days is None:
        return None
    return Promised(latest, rate.max_days, rate.handling_days, calendar_of(address))


def days_late(calendar: WorkCalendar, now: datetime, promised: Promised | None) -> int:
    """Return how many days later than promised goods arrive that leave a place of this calendar next.

    They are days of the week, not working days: what customers wait. Without a promise, the days until they
    leave.
    """
    try:
        leaves = calendar.dispatch_day(now)
        if promised is None:
            return (leaves - calendar.local_day(now)).days
        if promised.handling_days:
            leaves = calendar.add_working_days(leaves, promised.handling_days)
        arrives = promised.there.add_working_days(leaves, promised.transit_days)
    except NoWorkingDay:
        return MAX_LATE_DAYS
    return max(0, (arrives - promised.there.local_day(promised.latest)).days)
