"""SQL of routing: all that decides in one value, and the decisions that were made."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.calendars import WorkCalendar
from domain.postal_places import prefix_of
from domain.routing_decisions import Moves, RoutingDecision, sites_from_json, sites_to_json
from domain.routing_places import centroid
from domain.routing_problem import Goods, Point, RoutingFacts, Site
from domain.routing_settings import ChannelRouting, RoutingReason, SiteTerms
from persistence.json_text import json_text

# One value, so that it goes with a statement that is sent anyway. Parameters: routed_channel,
# routed_variants, routed_country, routed_prefixes, now.
# Of prices: where nothing was learned for a week, stock is other than it was then.
FACTS_SQL = """
    (SELECT jsonb_build_object(
        'settings', (SELECT to_jsonb(r) FROM channel_routing r WHERE r.channel_id = :routed_channel),
        'place', (SELECT jsonb_build_array(p.latitude, p.longitude) FROM postal_places p
                   WHERE p.country = :routed_country AND p.prefix = ANY (:routed_prefixes)
                   ORDER BY length(p.prefix) DESC LIMIT 1),
        'goods', (SELECT jsonb_agg(jsonb_build_array(v.id, coalesce(v.weight_grams, 0), v.tags))
                    FROM variants v WHERE v.id = ANY (:routed_variants)),
        'sites', (SELECT jsonb_agg(jsonb_build_array(l.id, c.rank, l.latitude, l.longitude, l.time_zone,
                      l.working_days, l.holidays, l.cut_off, l.daily_capacity,
                      CASE WHEN l.daily_capacity IS NOT NULL THEN (
                          SELECT count(*) FROM fulfillment_orders f
                           WHERE f.location_id = l.id AND f.status <> ALL ('{CANCELED,INCOMPLETE}')
                             AND f.created_at >= date_trunc('day', :now AT TIME ZONE l.time_zone)
                                                 AT TIME ZONE l.time_zone) END,
                      l.ships, l.tags, t.parcel_minor, t.unit_minor, t.priority, t.countries,
                      (SELECT jsonb_agg(k.day) FROM location_closures k
                        WHERE k.location_id = l.id AND k.day >= CAST(:now AS date) - 1))
                      ORDER BY c.rank, l.id)
                    FROM channel_locations c
                    JOIN locations l ON l.id = c.location_id AND l.archived_at IS NULL
                    LEFT JOIN channel_location_routing t
                      ON t.channel_id = c.channel_id AND t.location_id = c.location_id
                   WHERE c.channel_id = :routed_channel),
        'available', (SELECT jsonb_agg(jsonb_build_array(s.variant_id, s.location_id, s.available))
                        FROM stock_levels s
                       WHERE s.variant_id = ANY (:routed_variants) AND s.available > 0),
        'prices', (SELECT jsonb_agg(jsonb_build_array(x.variant_id, x.location_id, x.price_minor))
                     FROM channel_routing r
                     JOIN stock_prices x ON x.channel_id = r.channel_id
                    WHERE r.channel_id = :routed_channel AND r.stock_prices AND r.strategy = 'cheapest'
                      AND x.variant_id = ANY (:routed_variants)
                      AND x.learned_at > CAST(:now AS timestamptz) - interval '7 days')))
"""
FACTS_PARAMETERS = (
    bindparam("routed_channel", type_=Uuid()),
    bindparam("routed_variants", type_=ARRAY(Uuid)),
    bindparam("routed_country", type_=Text()),
    bindparam("routed_prefixes", type_=ARRAY(Text)),
    bindparam("now", type_=DateTime(timezone=True)),
)
_FACTS = text(f"SELECT {FACTS_SQL} AS facts").bindparams(*FACTS_PARAMETERS)
_REROUTE_COMMITTED = text(
    "SELECT stock_reroute(:variants, :locations, :deltas, :order_id, :actor, :now)"
).bindparams(
    bindparam("variants", type_=ARRAY(Uuid)),
    bindparam("locations", type_=ARRAY(Uuid)),
    bindparam("deltas", type_=ARRAY(Integer)),
    bindparam("now", type_=DateTime(timezone=True)),
)
# For a statement that has an array `:decisions` of decision_values.
DECISIONS_SQL = """
    INSERT INTO routing_decisions (id, order_id, strategy, reason, method, currency, cost, price, bound,
           proven, split_penalty, sites, short, decided_at)
    SELECT id, order_id, strategy, reason, method, currency, cost, price, bound, proven, split_penalty,
           sites, short, decided_at
      FROM jsonb_to_recordset(CAST(:decisions AS jsonb)) AS d (id uuid, order_id uuid, strategy text,
           reason text, method text, currency text, cost float8, price float8, bound float8, proven boolean,
           split_penalty float8, sites jsonb, short jsonb, decided_at timestamptz)
"""
_HELD_BY_CART = text(
    "SELECT variant_id, location_id, quantity FROM holds WHERE cart_id = :cart_id AND status = 'HELD'"
).bindparams(bindparam("cart_id", type_=Uuid()))
_OF_PARTS = text(
    """
    SELECT f.id AS part_id, d.* FROM fulfillment_orders f
      JOIN routing_decisions d ON d.id = f.routing_decision_id
     WHERE f.id = ANY (:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def facts_values(
    channel_id: UUID, variants: Iterable[UUID], address: Address, now: datetime
) -> dict[str, Any]:
    """Return the parameters of FACTS_SQL."""
    code = prefix_of(address.postal_code or "")
    return {
        "routed_channel": channel_id,
        "routed_variants": list(variants),
        "routed_country": address.country,
        "routed_prefixes": [code[:length] for length in range(len(code) + 1)],
        "now": now,
    }


async def facts(
    connection: AsyncConnection, channel_id: UUID, variants: Iterable[UUID], address: Address, now: datetime
) -> RoutingFacts:
    """Return all that decides where goods of a channel are sent to an address from."""
    values = facts_values(channel_id, variants, address, now)
    return facts_of(await connection.scalar(_FACTS, values), address.country)


def facts_of(record: Mapping[str, Any], country: str) -> RoutingFacts:
    """Return the facts in a value selected with FACTS_SQL."""
    settings, place = record["settings"], record["place"]
    return RoutingFacts(
        None if settings is None else settings_of(settings),
        tuple(_site(one) for one in record["sites"] or ()),
        {
            UUID(variant): Goods(UUID(variant), grams, frozenset(tags))
            for variant, grams, tags in record["goods"] or ()
        },
        {(UUID(variant), UUID(location)): units for variant, location, units in record["available"] or ()},
        point(*place) if place else centroid(country),
        {
            (UUID(variant), UUID(location)): float(price)
            for variant, location, price in record["prices"] or ()
        },
    )


def settings_of(record: Mapping[str, Any]) -> ChannelRouting:
    """Return the settings in a row of channel_routing, as JSON or as a mapping of the row."""
    return ChannelRouting(**{name: record[name] for name in ChannelRouting.__slots__})


async def move_committed(
    connection: AsyncConnection, order_id: UUID, deltas: Moves, *, actor: str, now: datetime
) -> bool:
    """Move units that this transaction committed to other levels; False where that cannot be done at once.

    `deltas` are what each level (variant, location) gains; below zero it loses.
    """
    values = {
        "variants": [variant for variant, _ in deltas],
        "locations": [location for _, location in deltas],
        "deltas": list(deltas.values()),
        "order_id": order_id,
        "actor": actor,
        "now": now,
    }
    return bool(await connection.scalar(_REROUTE_COMMITTED, values))


async def held_by_cart(connection: AsyncConnection, cart_id: UUID) -> dict[tuple[UUID, UUID], int]:
    """Return the units that a cart holds, by variant and location."""
    held: dict[tuple[UUID, UUID], int] = {}
    for variant, location, units in await connection.execute(_HELD_BY_CART, {"cart_id": cart_id}):
        held[variant, location] = held.get((variant, location), 0) + units
    return held


async def by_parts(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, RoutingDecision]:
    """Return the decisions that made fulfillment orders, by fulfillment order."""
    return {row.part_id: _decision(row) for row in await connection.execute(_OF_PARTS, {"ids": list(ids)})}


def decision_values(*decisions: RoutingDecision) -> str:
    """Return the value of `:decisions` in DECISIONS_SQL."""
    return json_text(
        [
            {
                "id": one.id,
                "order_id": one.order_id,
                "strategy": one.strategy,
                "reason": one.reason,
                "method": one.method,
                "currency": one.currency,
                "cost": one.cost,
                "price": one.price,
                "bound": one.bound,
                "proven": one.proven,
                "split_penalty": one.split_penalty,
                "sites": sites_to_json(one.sites),
                "short": one.short,
                "decided_at": one.decided_at,
            }
            for one in decisions
        ]
    )


def _site(record: Sequence[Any]) -> Site:
    location, rank, latitude, longitude, zone, days, holidays, cut_off, capacity, taken = record[:10]
    ships, tags, parcel, unit, priority, countries, closures = record[10:]
    return Site(
        UUID(location),
        rank,
        point(latitude, longitude) if latitude is not None else None,
        WorkCalendar(
            zone,
            frozenset(days),
            holidays,
            time.fromisoformat(cut_off) if cut_off else None,
            frozenset(date.fromisoformat(day) for day in closures or ()),
        ),
        capacity,
        taken or 0,
        ships,
        tags=frozenset(tags),
        terms=SiteTerms(parcel or 0, unit or 0, priority, None if countries is None else tuple(countries)),
    )


def point(latitude: float, longitude: float) -> Point:
    """Return a place as routing sees it."""
    return float(latitude), float(longitude)


def _decision(row: Row[*tuple[Any, ...]]) -> RoutingDecision:
    return RoutingDecision(
        row.id,
        row.order_id,
        row.strategy,
        RoutingReason(row.reason),
        row.method,
        row.currency,
        row.cost,
        row.price,
        row.bound,
        row.proven,
        row.split_penalty,
        sites_from_json(row.sites),
        row.short,
        row.decided_at.astimezone(UTC),
    )
