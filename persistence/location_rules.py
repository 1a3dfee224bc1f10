"""SQL of what locations can do, and of the tags of goods."""

from collections.abc import Sequence
from datetime import date, time
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.location_rules import Closure, LocationRules
from domain.locations import LocationKind
from domain.opening_hours import OpenSpan
from persistence.json_text import json_text

_RULES = """
    SELECT l.id, l.kind, l.latitude, l.longitude, l.time_zone, l.working_days, l.holidays, l.cut_off,
           l.daily_capacity, l.ships, l.pickup, l.tags, l.opening_hours,
           (SELECT jsonb_agg(jsonb_build_array(c.day, c.reason) ORDER BY c.day) FROM location_closures c
             WHERE c.location_id = l.id) AS closures
      FROM locations l
"""
_OF = text(_RULES + "WHERE l.id = ANY (:ids)").bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_SAVE = text(
    """
    WITH gone AS (
        DELETE FROM location_closures
         WHERE location_id = :id
           AND day NOT IN (SELECT day FROM jsonb_to_recordset(CAST(:closures AS jsonb)) AS c (day date))
    ), closed AS (
        INSERT INTO location_closures (location_id, day, reason)
        SELECT :id, day, reason FROM jsonb_to_recordset(CAST(:closures AS jsonb)) AS c (day date, reason text)
        ON CONFLICT (location_id, day) DO UPDATE SET reason = excluded.reason
    )
    UPDATE locations SET kind = :kind, latitude = :latitude, longitude = :longitude, time_zone = :time_zone,
           working_days = :working_days, holidays = :holidays, cut_off = :cut_off,
           daily_capacity = :daily_capacity, ships = :ships, pickup = :pickup, tags = :tags,
           opening_hours = CAST(:opening_hours AS jsonb), version = :version
     WHERE id = :id
    """
)
_KNOWS_ZONE = text("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = :name)")
_TAGS_OF = text("SELECT id, tags FROM variants WHERE id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_SET_TAGS = text("UPDATE variants SET tags = :tags, version = :version WHERE id = :id").bindparams(
    bindparam("tags", type_=ARRAY(Text)), bindparam("id", type_=Uuid())
)


async def by_locations(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, LocationRules]:
    """Return the rules of locations, by location."""
    return {row.id: _rules(row) for row in await connection.execute(_OF, {"ids": list(ids)})}


async def knows_time_zone(connection: AsyncConnection, name: str) -> bool:
    """Say whether the database knows a time zone too: it counts the day's orders there."""
    return bool(await connection.scalar(_KNOWS_ZONE, {"name": name}))


async def save(connection: AsyncConnection, location_id: UUID, rules: LocationRules, version: int) -> None:
    """Write the rules of a locked location."""
    await connection.execute(
        _SAVE,
        {
            "id": location_id,
            "kind": rules.kind.value,
            "latitude": rules.latitude,
            "longitude": rules.longitude,
            "time_zone": rules.time_zone,
            "working_days": sorted(rules.working_days),
            "holidays": rules.holidays,
            "cut_off": rules.cut_off,
            "daily_capacity": rules.daily_capacity,
            "ships": rules.ships,
            "pickup": rules.pickup,
            "tags": sorted(rules.tags),
            "opening_hours": json_text(
                [[one.weekday, one.opens.isoformat(), one.closes.isoformat()] for one in rules.opening_hours]
            ),
            "closures": json_text([{"day": one.day, "reason": one.reason} for one in rules.closures]),
            "version": version,
        },
    )


def hours_of(packed: Sequence[Sequence[Any]]) -> tuple[OpenSpan, ...]:
    """Return the opening hours that a location keeps."""
    return tuple(
        OpenSpan(day, time.fromisoformat(opens), time.fromisoformat(closes)) for day, opens, closes in packed
    )


async def tags_of(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return the tags of variants, by variant."""
    return {row.id: list(row.tags) for row in await connection.execute(_TAGS_OF, {"ids": list(ids)})}


async def set_tags(connection: AsyncConnection, variant_id: UUID, tags: Sequence[str], version: int) -> None:
    """Write the tags of a locked variant."""
    await connection.execute(_SET_TAGS, {"id": variant_id, "tags": list(tags), "version": version})


def _rules(row: Row[*tuple[Any, ...]]) -> LocationRules:
    return LocationRules(
        LocationKind(row.kind),
        row.latitude,
        row.longitude,
        row.time_zone,
        frozenset(row.working_days),
        row.holidays,
        row.cut_off,
        row.daily_capacity,
        row.ships,
        row.pickup,
        frozenset(row.tags),
        tuple(Closure(date.fromisoformat(day), reason) for day, reason in row.closures or ()),
        hours_of(row.opening_hours),
    )
