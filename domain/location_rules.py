"""What a location can do: where it is, when it works, how much it takes a day, which goods it may handle."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time

from domain.calendars import MONDAY_TO_FRIDAY, WorkCalendar, check_calendar
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_text
from domain.locations import LocationKind
from domain.opening_hours import OpenSpan, check_hours

MAX_TAGS = 50
MAX_CAPACITY = 1_000_000
MAX_REASON_LENGTH = 200
_TAG = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Closure:
    """A day on which a location is closed, besides those of its week and its holidays."""

    day: date
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class LocationRules:
    """What one location can do. The fields of time are those of `domain.calendars.WorkCalendar`."""

    kind: LocationKind = LocationKind.WAREHOUSE
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str = "UTC"
    working_days: frozenset[int] = MONDAY_TO_FRIDAY
    holidays: str | None = None
    cut_off: time | None = None
    daily_capacity: int | None = None
    """Most fulfillment orders a day; None: any number."""
    ships: bool = True
    pickup: bool = False
    tags: frozenset[str] = frozenset()
    """Kinds of goods it may handle: those of a variant must all be among them."""
    closures: tuple[Closure, ...] = ()
    opening_hours: tuple[OpenSpan, ...] = ()
    """When it hands out; empty: on its working days."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class LocationRulesChanges:
    """What shall become of a location's rules; KEEP leaves a field as it is."""

    kind: LocationKind | Keep = KEEP
    coordinates: Coordinates | Keep | None = KEEP
    time_zone: str | Keep = KEEP
    working_days: Sequence[int] | Keep = KEEP
    holidays: str | Keep | None = KEEP
    cut_off: time | Keep | None = KEEP
    daily_capacity: int | Keep | None = KEEP
    ships: bool | Keep = KEEP
    pickup: bool | Keep = KEEP
    tags: Sequence[str] | Keep = KEEP
    closures: Sequence[Closure] | Keep = field(default=KEEP)
    """All of them: those that are not named are open again."""
    opening_hours: Sequence[OpenSpan] | Keep = KEEP
    """All of them, likewise."""


def change(rules: LocationRules, changes: LocationRulesChanges) -> LocationRules:
    """Return the rules changed; raises InvalidInput naming the field."""
    point = changes.coordinates
    latitude, longitude = rules.latitude, rules.longitude
    if point is None:
        latitude = longitude = None
    elif point is not KEEP:
        latitude, longitude = (
            _degrees(point.latitude, 90, "latitude"),
            _degrees(point.longitude, 180, "longitude"),
        )
    capacity = kept(changes.daily_capacity, rules.daily_capacity)
    if capacity is not None and not 1 <= capacity <= MAX_CAPACITY:
        raise InvalidInput(f"must be between 1 and {MAX_CAPACITY}", "dailyCapacity")
    changed = replace(
        rules,
        kind=kept(changes.kind, rules.kind),
        latitude=latitude,
        longitude=longitude,
        time_zone=kept(changes.time_zone, rules.time_zone),
        working_days=rules.working_days if changes.working_days is KEEP else frozenset(changes.working_days),
        holidays=kept(changes.holidays, rules.holidays),
        cut_off=kept(changes.cut_off, rules.cut_off),
        daily_capacity=capacity,
        ships=kept(changes.ships, rules.ships),
        pickup=kept(changes.pickup, rules.pickup),
        tags=rules.tags if changes.tags is KEEP else check_tags(changes.tags),
        closures=rules.closures if changes.closures is KEEP else _closures(changes.closures),
        opening_hours=rules.opening_hours
        if changes.opening_hours is KEEP
        else check_hours(changes.opening_hours, "openingHours"),
    )
    check_calendar(
        WorkCalendar(
            changed.time_zone,
            changed.working_days,
            changed.holidays,
            changed.cut_off,
            frozenset(one.day for one in changed.closures),
        )
    )
    return changed


def check_tags(tags: Sequence[str]) -> frozenset[str]:
    """Return tags, each once; raises InvalidInput naming tags."""
    if len(tags) > MAX_TAGS:
        raise InvalidInput(f"names more than {MAX_TAGS}", "tags")
    for at, tag in enumerate(tags):
        if not _TAG.fullmatch(tag):
            raise InvalidInput(
                "use 1 to 40 of a-z, 0-9, '_' and '-', beginning with a letter or digit", "tags", str(at)
            )
    return frozenset(tags)


def _degrees(value: float, most: int, name: str) -> float:
    if not (math.isfinite(value) and -most <= value <= most):
        raise InvalidInput(f"must be between -{most} and {most} degrees", "coordinates", name)
    return value


def _closures(given: Sequence[Closure]) -> tuple[Closure, ...]:
    days: dict[date, Closure] = {}
    for at, one in enumerate(given):
        if one.day in days:
            raise InvalidInput("names a day twice", "closures", str(at), "day")
        reason = one.reason
        if reason is not None:
            reason = require_text(reason, MAX_REASON_LENGTH, "closures", str(at), "reason")
        days[one.day] = Closure(one.day, reason)
    return tuple(days[day] for day in sorted(days))
