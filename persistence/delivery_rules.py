"""What a cart's delivery is decided by, packed into the one statement that reads the cart.

Rates, zones, boxes, calendars and quotes come as one JSON array each.
"""

from dataclasses import replace
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from domain.boxes import ShippingBox
from domain.calendars import WorkCalendar
from domain.delivery_options import DeliveryRules
from domain.delivery_quotes import QuotesOfProvider, from_json
from domain.delivery_zones import DeliveryZone, PostcodeRule
from domain.shipping import DeliveryRate, FreeForGroup

RATE_JSON = """json_build_array(
                   r.id, r.carrier, r.service, r.price_minor, r.countries, r.min_weight_grams,
                   r.max_weight_grams, r.min_value_minor, r.max_value_minor, r.min_days, r.max_days,
                   r.position, r.version, r.zone_id, r.min_volume_ml, r.max_volume_ml,
                   r.included_weight_grams, r.per_kilogram_minor, r.free_from_minor, r.dimensional_divisor,
                   r.free_for_groups)"""
"""A delivery rate `r`, for `rate_of`."""

_ZONE_ID = 8  # its place after the countries

RATES_OF_CHANNEL = f"""
       (SELECT json_agg({RATE_JSON} ORDER BY r.position, r.price_minor, r.id)
          FROM delivery_rates r WHERE r.channel_id = ch.id AND r.archived_at IS NULL) AS rates"""
"""The rate table of a channel `ch`."""

ZONE_JSON = """json_build_array(z.id, z.name, z.countries, z.regions, z.postcodes, z.excluded_postcodes,
                                z.position, z.version)"""
"""A delivery zone `z`, for `zone_of`."""

CALENDAR_JSON = """json_build_array(lo.time_zone, lo.working_days, lo.holidays, lo.cut_off,
                   (SELECT json_agg(k.day) FROM location_closures k
                     WHERE k.location_id = lo.id AND k.day >= current_date - 1))"""
"""The calendar of a location `lo`, for `calendar_of`."""


def rules_sql(channel: str, cart: str | None) -> str:
    """Return the columns that `rules_of` reads, of a channel's alias and a cart's, if there is one.

    The places that ship are those that hold the cart's goods, or else the channel's most preferred one.
    """
    first = f"""(SELECT json_build_array({CALENDAR_JSON}) FROM channel_locations cl
          JOIN locations lo ON lo.id = cl.location_id AND lo.ships AND lo.archived_at IS NULL
         WHERE cl.channel_id = {channel}.id ORDER BY cl.rank LIMIT 1)"""
    origins, quotes = first, "CAST(NULL AS json)"
    if cart is not None:
        origins = f"""coalesce((SELECT json_agg({CALENDAR_JSON} ORDER BY lo.code) FROM locations lo
         WHERE lo.id IN (SELECT o.location_id FROM holds o
                          WHERE o.cart_id = {cart}.id AND o.status = 'HELD')), {first})"""
        quotes = f"""(SELECT json_agg(json_build_array(q.provider, q.fingerprint, q.expires_at, q.offers)
                        ORDER BY q.provider)
          FROM delivery_quotes q WHERE q.cart_id = {cart}.id)"""
    return f"""
       (SELECT json_agg({ZONE_JSON} ORDER BY z.position, z.id)
          FROM delivery_zones z WHERE z.channel_id = {channel}.id AND z.archived_at IS NULL) AS zones,
       (SELECT json_agg(json_build_array(b.id, b.name, b.length_mm, b.width_mm, b.height_mm,
                   b.own_weight_grams, b.max_weight_grams) ORDER BY b.id)
          FROM boxes b WHERE b.archived_at IS NULL) AS boxes,
       {origins} AS origins,
       {quotes} AS quotes"""


def rules_of(row: Row[*tuple[Any, ...]]) -> DeliveryRules:
    """Return what the columns of `rules_sql` say."""
    return DeliveryRules(
        tuple(zone_of(record) for record in row.zones or ()),
        tuple(ShippingBox(UUID(one), *rest) for one, *rest in row.boxes or ()),
        tuple(calendar_of(*record) for record in row.origins or ()),
        tuple(_quotes(*record) for record in row.quotes or ()),
    )


def rates_of(packed: list[list[Any]] | None) -> tuple[DeliveryRate, ...]:
    """Return a channel's rate table, as RATES_OF_CHANNEL packed it."""
    return tuple(rate_of(record) for record in packed or ())


def rate_of(record: list[Any]) -> DeliveryRate:
    """Return the rate that RATE_JSON packed."""
    one, carrier, service, price, countries, *rest, groups = record
    named = None if countries is None else frozenset(countries)
    rest[_ZONE_ID] = None if rest[_ZONE_ID] is None else UUID(rest[_ZONE_ID])
    free = tuple(FreeForGroup(*pair) for pair in groups)
    rate = DeliveryRate(UUID(one), carrier, service, price, named, *rest)
    return replace(rate, free_for_groups=free) if free else rate


def zone_of(record: list[Any]) -> DeliveryZone:
    """Return the zone that ZONE_JSON packed."""
    one, name, countries, regions, postcodes, excluded, position, version = record
    return DeliveryZone(
        UUID(one),
        name,
        frozenset(countries),
        frozenset(regions),
        tuple(PostcodeRule(*rule) for rule in postcodes),
        tuple(PostcodeRule(*rule) for rule in excluded),
        position,
        version,
    )


def calendar_of(
    time_zone: str,
    working_days: list[int],
    holidays: str | None,
    cut_off: str | None,
    closures: list[str] | None,
) -> WorkCalendar:
    """Return the calendar that CALENDAR_JSON packed."""
    return WorkCalendar(
        time_zone,
        frozenset(working_days),
        holidays,
        None if cut_off is None else time.fromisoformat(cut_off),
        frozenset(date.fromisoformat(day) for day in closures or ()),
    )


def _quotes(
    provider: str, fingerprint: str, expires_at: str, offers: list[dict[str, Any]]
) -> QuotesOfProvider:
    return QuotesOfProvider(
        provider,
        fingerprint,
        datetime.fromisoformat(expires_at),
        tuple(from_json(provider, one) for one in offers),
    )
